"""Both checkers accept valid code, reject wrong code, and accept the code of every page."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

from tests.docs.snippets import written

from .checkers import CHECKERS, Reports
from .guards import guards

HERE = Path(__file__).parent
OURS = ("accepted.py", "refused.py")
MARK = "# refused"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all code to check, so that each checker runs once."""
    made = tmp_path_factory.mktemp("typing")
    for name in OURS:
        shutil.copy(HERE / name, made / name)
    (made / "guards.py").write_text(guards(MARK))
    return made


@pytest.fixture(scope="module")
def snippets(folder: Path) -> list[str]:
    return [one.name for one in written(folder)]


@pytest.fixture(scope="module", params=CHECKERS)
def reports(request: pytest.FixtureRequest, folder: Path, snippets: list[str]) -> Reports:
    return CHECKERS[request.param](folder)


def test_valid_code_is_accepted(reports: Reports) -> None:
    assert reports.get("accepted.py", {}) == {}


def test_each_wrong_line_is_rejected_and_no_other(reports: Reports) -> None:
    _refuses_marked_lines((HERE / "refused.py").read_text(), reports["refused.py"])


def test_a_guard_that_lacks_a_step_is_rejected(reports: Reports) -> None:
    _refuses_marked_lines(guards(MARK), reports["guards.py"])


def test_the_code_of_every_page_passes(reports: Reports, snippets: list[str]) -> None:
    assert len(snippets) > 12
    assert {name: reports[name] for name in snippets if name in reports} == {}


def _refuses_marked_lines(source: str, found: dict[int, str]) -> None:
    lines = source.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith(MARK)}
    assert wrong
    assert {number: lines[number - 1] for number in wrong - found.keys()} == {}
    assert {number: found[number] for number in found.keys() - wrong} == {}


def test_the_accepted_code_runs() -> None:
    runpy.run_path(str(HERE / "accepted.py"))
