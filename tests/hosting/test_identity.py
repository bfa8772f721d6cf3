"""`persisty serve` accepts the tokens of `persisty token` on the same machine without any configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = """
from persisty import GENERATED, App, owned, stored


@stored(access=owned("writer"))
class Diary:
    id: str
    writer: str = GENERATED


app = App("diary", items=[Diary], url="memory://")
"""


def environment() -> dict[str, str]:
    """Return the environment of this process without settings of persisty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERSISTY_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "persisty", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Return the URL of a server in a directory that contains only an app."""
    (tmp_path / "diary.py").write_text(APP)
    command = [sys.executable, "-m", "persisty", "serve", "diary:app", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = next(found[1] for line in process.stdout if (found := re.search(r"(http://\S+)/openapi.json", line)))
        yield url
    finally:
        process.terminate()
        _, warned = process.communicate(timeout=30)
    secret = (tmp_path / ".persisty" / "token-secret").read_text().strip()
    assert "no secret for tokens is configured" in warned
    assert secret not in warned


def ask(url: str, token: str | None, body: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
    headers = {"content-type": "application/json", **({} if token is None else {"authorization": f"Bearer {token}"})}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def test_a_token_that_the_command_prints_gives_access_to_its_owners_items(served: str, tmp_path: Path) -> None:
    ann, ben = (run(tmp_path, "token", "--subject", name) for name in ("ann", "ben"))
    assert (ann.returncode, ann.stderr) == (0, "")
    assert ask(f"{served}/api/diary", ann.stdout.strip(), {"id": "a"})[0] == 201
    assert json.loads(ask(f"{served}/api/diary/a", ann.stdout.strip())[2]) == {"id": "a", "writer": "ann"}
    assert ask(f"{served}/api/diary/a", ben.stdout.strip())[0] == 404
    status, headers, _ = ask(f"{served}/api/diary", None, {"id": "b"})
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    status, headers, _ = ask(f"{served}/api/diary/a", ann.stdout.strip()[:-2])
    assert (status, headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_in_another_stage_the_server_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "diary.py").write_text(APP.replace('url="memory://"', 'url="memory://", stage="prod"'))
    done = run(tmp_path, "serve", "diary:app", "--port", "0")
    assert done.returncode == 2
    assert "stage prod trusts no token issuer" in done.stderr
    assert not (tmp_path / ".persisty").exists()
