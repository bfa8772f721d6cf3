"""The code of docs/triggers.md runs and has the shown output."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

from .test_docs import blocks, declared, run_tests_in

PAGE = "docs/triggers.md"


def test_the_triggers_do_what_the_page_shows() -> None:
    scope: dict[str, Any] = declared(PAGE)
    [session] = blocks(PAGE, "pycon")
    test = doctest.DocTestParser().get_doctest(session, scope, PAGE, PAGE, 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert runner.run(test, out=report.append).failed == 0, "".join(report)
    assert scope["sent"][0].endswith("for Ann")


def test_the_test_of_the_page_passes(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text("\n".join(blocks(PAGE, "python")))
    printed = run_tests_in(tmp_path)
    assert "1 passed" in printed, printed
