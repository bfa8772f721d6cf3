"""A fuzzer reads the OpenAPI document of a running server and looks for a lie in it: schemathesis, all checks, with requests that follow
from the answers of others.

Each phase has its own server and its own time, since there is no end to what may be tried: `FUZZ_SECONDS` and `FUZZ_SEED` go further
than the gate does. Servers take every request that comes in that time, and no check is left out.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persisty.application import load_app
from persisty.security.caller import Caller

ROOT = Path(__file__).parents[2]
CONFIG, HOOKS = (Path(__file__).with_name(name) for name in ("schemathesis.toml", "hooks.py"))
SEED, SECONDS = os.environ.get("FUZZ_SEED", "1"), int(os.environ.get("FUZZ_SECONDS", "25"))
SECRET = "a secret of these tests, and of nothing else in the whole wide world"
ANN = Caller("d174c8d5-155b-5725-b741-fb94ebb81cdd", frozenset({"admin"}))
APPS: dict[str, tuple[str, str | None, Caller | None]] = {
    "messenger": ("examples.messenger.app:app", "examples.messenger.seeds:seed", ANN),
    "stall": ("tests.fuzz.stall:app", None, Caller("ann", frozenset({"staff"}))),
}
"""Name → the app, what fills it, and who asks."""


@contextmanager
def serving(app: str, seed: str | None, folder: Path) -> Iterator[str]:
    """The URL of a server of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "persisty", "serve", app, "--port", str(port), "--url", f"sqlite:///{folder}/a.db"]
    settings = {"PYTHONPATH": str(ROOT), "PERSISTY_TOKEN_SECRET": SECRET, "PERSISTY_LOG_LEVEL": "WARNING"}
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *(["--seed", seed] if seed else [])],
            cwd=folder, env={**os.environ, **settings}, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def token(spec: str, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(load_app(spec), "_authenticator", None)  # that another test may have left
    return load_app(spec).authenticator.token(caller)


PHASES = ("examples", "coverage", "fuzzing", "stateful")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", APPS)
def test_a_fuzzer_finds_no_lie(name: str, phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, seed, caller = APPS[name]
    known = [] if caller is None else ["--header", f"Authorization: Bearer {token(app, caller, monkeypatch)}"]
    with serving(app, seed, tmp_path) as url:
        run = subprocess.run(
            [
                str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG), "run", f"{url}/openapi.json",
                "--checks", "all", "--phases", phase, "--seed", SEED, "--max-examples", "10", "--max-time", str(SECONDS),
                "--continue-on-failure", "--warnings", "off", "--no-color", "--output-sanitize", "false", *known,
            ],
            check=False, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 120,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert " generated" in run.stdout
    assert "internal_error" not in (tmp_path / "server.log").read_text()
