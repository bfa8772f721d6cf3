"""Errors in the code of an app: a command prints the lines of that code, and the whole traceback on request."""

from __future__ import annotations

import json
import logging
import multiprocessing
from pathlib import Path

import pytest

from persisty.cli import server_process
from persisty.cli.server_process import Options

from .conftest import Persisty

HEAD = "from persisty import App, Attr, stored\n"
UNKNOWN_NAME = f"{HEAD}\n@stored\nclass Note:\n    id: Attr[str]\n    text: Attr[str] = Strng\n"
DEEP = f"{HEAD}from wares.prices import price\n\nprice('x')\napp = App('wares', items=[])\n"
PRICES = "def price(text):\n    try:\n        return int(text)\n    except ValueError as error:\n        raise LookupError('no price') from error\n"
TRACEBACK = "Traceback (most recent call last)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def package(folder: Path, name: str, **modules: str) -> None:
    (folder / name).mkdir()
    for module, text in {"__init__": "", **modules}.items():
        (folder / name / f"{module}.py").write_text(text)


@pytest.mark.parametrize("command", ["check", "serve", "access", "shell"])
def test_an_unknown_name_is_shown_with_its_line_alone(folder: Path, persisty: Persisty, command: str) -> None:
    package(folder, f"named_{command}", app=UNKNOWN_NAME)
    done = persisty(command, f"named_{command}.app:app", *(["--port", "0"] if command == "serve" else []))
    place = f"named_{command}/app.py"
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"Error: {place} cannot be loaded: NameError: name 'Strng' is not defined",
        f"  {place}, line 4, in module",
        "    class Note:",
        f"  {place}, line 6, in Note",
        "    text: Attr[str] = Strng",
        "  --traceback prints the whole traceback",
    ]


def test_frames_of_libraries_are_left_out_and_the_cause_is_named(folder: Path, persisty: Persisty) -> None:
    package(folder, "wares", app=DEEP, prices=PRICES)
    lines = persisty("check", "wares.app:app").err.splitlines()
    assert lines[0] == "Error: wares/app.py cannot be loaded: LookupError: no price"
    assert [line.strip() for line in lines if line.startswith("  wares/")] == [
        "wares/app.py, line 4, in module",
        "wares/prices.py, line 5, in price",
    ]
    assert "  caused by ValueError: invalid literal for int() with base 10: 'x'" in lines


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"{HEAD}class Note(:\n    pass\n", "  {}/app.py, line 2, in module", "SyntaxError: invalid syntax"),
        (f"{HEAD}import no_such_library\n", "  {}/app.py, line 2, in module", "No module named 'no_such_library'"),
    ],
    ids=["syntax", "library"],
)
def test_a_module_that_python_cannot_parse_or_whose_library_is_missing(
    folder: Path, persisty: Persisty, text: str, line: str, message: str
) -> None:
    name = "parsed" if "Syntax" in message else "library"
    package(folder, name, app=text)
    done = persisty("check", f"{name}.app:app")
    assert done.code == 2
    assert message in done.err.splitlines()[0]
    assert line.format(name) in done.err.splitlines()
    assert ("Is it installed in this environment" in done.err) == (name == "library")


def test_the_whole_traceback_is_printed_on_request(
    folder: Path, persisty: Persisty, monkeypatch: pytest.MonkeyPatch
) -> None:
    from persisty.cli.main import main

    package(folder, "whole", app=UNKNOWN_NAME)
    with pytest.raises(NameError):  # Python prints its traceback
        main(["check", "whole.app:app", "--traceback"])
    monkeypatch.setenv("PERSISTY_LOG_LEVEL", "DEBUG")
    with pytest.raises(NameError):
        main(["check", "whole.app:app"])
    monkeypatch.delenv("PERSISTY_LOG_LEVEL")
    done = persisty("--traceback", "access", "no_such_module")
    assert done.code == 2
    assert TRACEBACK in done.err
    assert TRACEBACK not in persisty("access", "no_such_module").err


def test_check_lists_the_error_as_a_finding_in_json(folder: Path, persisty: Persisty) -> None:
    package(folder, "listed", app=UNKNOWN_NAME)
    done = persisty("check", "listed.app:app", "--json")
    [finding] = json.loads(done.out)
    assert (done.code, finding["check"], finding["severity"]) == (2, "declaration", "mistake")
    assert finding["fault"]["message"] == "listed/app.py, line 6: NameError: name 'Strng' is not defined"


def test_an_error_of_the_seeds_is_not_one_of_the_declaration(folder: Path, persisty: Persisty) -> None:
    package(
        folder,
        "sown",
        app=f"{HEAD}app = App('sown', items=[], url='memory://')\n",
        seeds="def seed(app):\n    return 1 / 0\n",
    )
    done = persisty("serve", "sown.app:app", "--port", "0", "--seed", "sown.seeds:seed")
    assert done.code == 1
    assert done.err.splitlines()[-4:] == [
        "Error: The code of sown/seeds.py failed: ZeroDivisionError: division by zero",
        "  sown/seeds.py, line 2, in seed",
        "    return 1 / 0",
        "  --traceback prints the whole traceback",
    ]


@pytest.mark.parametrize("people", [True, False])
def test_a_reload_logs_the_lines_at_a_terminal_and_the_traceback_elsewhere(
    folder: Path, caplog: pytest.LogCaptureFixture, people: bool
) -> None:
    package(folder, f"again_{people}", app=UNKNOWN_NAME)
    options = Options(f"again_{people}.app:app", None, None, "localhost:0", False, False, False, people)
    with caplog.at_level(logging.ERROR, "persisty"), pytest.raises(SystemExit):
        server_process.serve_again(options, 1, multiprocessing.get_context("spawn").Event(), [])
    [record] = caplog.records
    assert (record.exc_info is None) == people
    assert record.getMessage().endswith("; waiting for a change")
    assert ("line 6, in Note" in record.getMessage()) == people


@pytest.mark.parametrize("command", ["check", "serve", "work", "access", "shell"])
def test_a_module_of_actions_that_does_not_exist_is_reported_in_one_line(
    folder: Path, persisty: Persisty, command: str
) -> None:
    name = f"rowing_{command}"
    text = f"{HEAD}@stored\nclass Boat:\n    id: Attr[str]\napp = App('rowing', items=[Boat], actions=['{name}.action'], url='sqlite://')\n"
    package(folder, name, app=text)
    done = persisty(command, f"{name}.app:app", *(["--port", "0"] if command == "serve" else []))
    expected = f"There is no module {name}.action, which the app rowing names in `actions`"
    if command == "check":
        assert (done.code, done.out.count(expected)) == (2, 1)
    else:
        assert (done.code, done.out, done.err) == (2, "", f"Error: {expected}\n")


@pytest.mark.parametrize("command", [("check",), ("serve", "--port", "0"), ("serve", "--reload", "--port", "0")])
def test_a_path_instead_of_a_module_is_reported_in_one_line(
    folder: Path, persisty: Persisty, command: tuple[str, ...]
) -> None:
    done = persisty(*command, "./rowing")
    text = "./rowing does not name a module: give module:attribute, such as shop.app:app"
    assert (done.code, text in done.err + done.out, "Traceback" in done.err) == (2, True, False)
