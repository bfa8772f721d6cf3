"""The examples of docs/clients.md run against a server, with the clients that its commands write."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from persisty.application import load_app
from persisty.clients.description import describe
from persisty.clients.python_methods import METHODS
from persisty.clients.python_modes import WAITING
from persisty.naming import camel

from ..clients.conftest import STRICT, TSC
from ..fuzz.test_fuzz import serving
from ..hosting.test_identity import environment
from .test_docs import ROOT, blocks

PAGE = "docs/clients.md"
APP = "examples.messenger.app:app"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the page's commands were run."""
    made = tmp_path_factory.mktemp("clients")
    [commands] = blocks(PAGE, "bash")
    for command in commands.splitlines():
        _, *arguments = command.split()
        subprocess.run([sys.executable, "-m", "persisty", *arguments], cwd=made, env=environment(), check=True)
    (made / "package.json").write_text('{"type": "module"}')
    return made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(APP, "examples.messenger.seeds:seed", tmp_path_factory.mktemp("server")) as served:
        yield served


def ran(command: list[str], folder: Path) -> str:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return re.sub(r"datetime\((?=\d).*?, tz", "datetime(…, tz", re.sub(r"UUID\('.*?'\)", "UUID('…')", run.stdout))


def test_the_programs_print_the_shown_output(folder: Path, url: str) -> None:
    [python], [typescript], shown = blocks(PAGE, "python"), blocks(PAGE, "typescript"), blocks(PAGE, "text")
    (folder / "use.py").write_text(python.replace("http://localhost:8000", url))
    (folder / "use.ts").write_text(typescript.replace("http://localhost:8000", url))
    subprocess.run([TSC, *STRICT, "use.ts", "messenger_client.ts"], cwd=folder, check=True)
    cache = str(ROOT / ".mypy_cache" / "clients")
    strictly = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", cache, "--no-error-summary"]
    assert ran([*strictly, "use.py"], folder) == ""
    # the second sees what the first has written
    assert [ran([sys.executable, "use.py"], folder), ran(["node", "use.js"], folder)] == shown


def test_the_table_of_methods_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (`.*`) \| (`.*`) \|$", (ROOT / PAGE).read_text(), re.MULTILINE)
    store = describe(load_app(APP)).stores["user"]
    message = describe(load_app(APP)).stores["message"]
    expected = []
    for verb, make in METHODS.items():
        owner = message if verb in message.operations else store
        names = [one.name for one in make(owner, owner.operations[verb], WAITING)]
        expected.append((verb, *(", ".join(f"`{way(one)}`" for one in names) for way in (str, camel))))
    assert rows == expected
