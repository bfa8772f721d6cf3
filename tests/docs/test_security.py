"""What docs/security.md shows is what happens."""

from __future__ import annotations

import contextlib
import io

from .test_docs import blocks

PAGE = "docs/security.md"


def test_the_rules_run_as_they_stand() -> None:
    code, shown = blocks(PAGE, "python")[0], blocks(PAGE, "")[0]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, PAGE, "exec", dont_inherit=True), {"__name__": "__main__"})
    assert out.getvalue() == shown
