"""The declarations and commands of docs/changing-declarations.md have the shown output."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from persisty import App
from persisty.cli.main import main
from persisty.store.key_references import REFERRED

PAGE = (Path(__file__).parents[2] / "docs" / "changing-declarations.md").read_text()
BLOCKS = re.findall(r"^```(python|console|text)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def declare(code: str) -> App:
    """Make the module `garage` from a block."""
    Path("garage.py").write_text(code)
    app: App = loaded().app
    return app


def loaded() -> Any:
    """Import the current module `garage`."""
    sys.modules.pop("garage", None)
    importlib.invalidate_caches()
    return importlib.import_module("garage")


def fill(app: App, *prices: str) -> None:
    """Store cars, of which the last is `b`."""
    app.prepare()
    for key, price in zip("xyzb", prices, strict=True):
        app.store("car").create({"id": key, "odometer": 1, "price": price})
    app.close()


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command prints."""
    arguments = re.findall(r'"[^"]*"|\S+', command)[1:]
    loaded()
    with pytest.raises(SystemExit):
        main([one.strip('"') for one in arguments])
    printed = capsys.readouterr()
    return printed.out or printed.err


def test_the_examples_of_the_guide_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions in one second look alike
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PERSISTY_URL", raising=False)
    (before, after, *_), (text, referred, branches) = (
        [code for kind, code in BLOCKS if kind == wanted] for wanted in ("python", "text")
    )
    assert referred.startswith(f"/team: {REFERRED} (found ")
    fill(declare(before), "0", "1", "2", "cheap")
    declare(after)
    assert run("persisty migrate garage:app", capsys) == text
    app = declare(before)
    app.store("car").update("b", {"price": "5"})
    app.close()
    declare(after)
    for code in (code for kind, code in BLOCKS if kind == "console"):
        command, _, shown = code.partition("\n")
        if "--revision" in command:
            for file in Path().glob("garage.db*"):
                file.unlink()
            fill(declare(before), "0", "1", "2", "5")
            declare(after)
        lines = [line.rstrip() for line in run(command.removeprefix("$ "), capsys).splitlines()]
        assert lines == shown.splitlines(), command
    assert "fits its declarations" in run("persisty migrate garage:app", capsys)
    app = declare(after)
    assert sorted(one.price for one in app.store("car").search_all()) == [0, 1, 2, 5]
    app.close()
    [first] = Path("migrations").glob("0001_*.py")
    for name in ("0002_price", "0002_seats"):
        first.with_name(f"{name}.py").write_text(
            first.read_text().replace("FOLLOWS = []", f'FOLLOWS = ["{first.stem}"]')
        )
    assert run("persisty migrate garage:app", capsys).startswith(branches)
