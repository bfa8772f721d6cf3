"""The examples of docs/types.md have the shown output. `tests/type_checking` checks their types."""

from __future__ import annotations

import contextlib
import io

from .test_docs import blocks

PAGE = "docs/types.md"


def test_the_example_prints_the_shown_output() -> None:
    [code], [shown] = blocks(PAGE, "python"), blocks(PAGE, "text")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, PAGE, "exec", dont_inherit=True), {})
    assert out.getvalue() == shown
