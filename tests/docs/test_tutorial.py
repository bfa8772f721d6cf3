"""The steps of docs/tutorial.md, in order, print what the page shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..fuzz.test_fuzz import SECRET, serving
from ..hosting.test_identity import environment
from .test_docs import blocks

PAGE = "docs/tutorial.md"
RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the reader of the page saves."""
    made = tmp_path_factory.mktemp("tutorial")
    declaration, stores, mistakes, _, test_fixture = blocks(PAGE, "python")
    (made / "tasks.py").write_text(declaration)
    (made / "try_tasks.py").write_text(stores + mistakes)
    (made / "conftest.py").write_text(test_fixture)
    return made


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving("tasks:app", None, folder) as served:
        yield served


def run(folder: Path, *command: str) -> str:
    settings = {**environment(), "PERSISTY_TOKEN_SECRET": SECRET}
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=True).stdout


def test_the_store_prints_the_shown_output(folder: Path) -> None:
    stores, mistakes, *_ = blocks(PAGE, "text")
    assert run(folder, sys.executable, "try_tasks.py") == stores + mistakes


def test_the_server_and_the_client_have_the_shown_responses(folder: Path, url: str) -> None:
    consoles = blocks(PAGE, "console")
    [make_token] = re.findall(r"^\$ TOKEN=\$\((persisty .*)\)$", "".join(consoles), re.MULTILINE)
    token = run(folder, sys.executable, "-m", *make_token.split()).strip()
    calls = [call for text in consoles for call in re.findall(r"^\$ (curl .*)\n(.*)$", text, re.MULTILINE)]
    assert len(calls) == 3
    for command, shown in calls:
        answer = _curl(command.replace("$TOKEN", token).replace("localhost:8000", url))
        assert RANDOM.sub("…", answer) == RANDOM.sub("…", shown)

    commands = [line for text in blocks(PAGE, "bash") for line in text.splitlines()]
    [generate] = [line for line in commands if line.startswith("persisty client")]
    run(folder, sys.executable, "-m", *generate.split())
    client = blocks(PAGE, "python")[3].replace("http://localhost:8000", url).replace('token="…"', f"token={token!r}")
    (folder / "use_client.py").write_text(client)
    assert run(folder, sys.executable, "use_client.py") == blocks(PAGE, "text")[2]


def test_a_new_attribute_is_the_shown_change(folder: Path) -> None:
    run(folder, sys.executable, "-m", "persisty", "shell", "tasks:app", "-c", "task.count()")
    declared = (folder / "tasks.py").read_text()
    attribute = blocks(PAGE, "text")[3]
    changed = declared.replace("    done:", f"{attribute}    done:").replace("import datetime", "import date, datetime")
    (folder / "tasks.py").write_text(changed)
    [shown] = [text for text in blocks(PAGE, "console") if "persisty diff" in text]
    command, _, output = shown.partition("\n")
    found = run(folder, sys.executable, "-m", *command.removeprefix("$ ").split())
    assert [line.split() for line in found.splitlines()] == [line.split() for line in output.splitlines()]


def _curl(command: str) -> str:
    headers, body, url = {}, None, ""
    words = iter(shlex.split(command)[1:])
    for word in words:
        match word:
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words).encode()
            case _:
                url = word
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
