"""The examples of docs/security.md run and print what the page shows."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

from .test_docs import ROOT, blocks

PAGE = "docs/security.md"


def test_the_rules_of_the_page_run() -> None:
    code, shown = blocks(PAGE, "python")[0], blocks(PAGE, "")[0]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, PAGE, "exec", dont_inherit=True), {"__name__": "__main__"})
    assert out.getvalue() == shown


def test_the_command_prints_the_rules_of_the_example_as_shown() -> None:
    [command], [shown] = blocks(PAGE, "console"), blocks(PAGE, "text")
    words = command.removeprefix("$ persisty ").split()
    run = subprocess.run(
        [sys.executable, "-m", "persisty", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    printed = "\n".join(line.rstrip() for line in run.stdout.splitlines())
    assert shown in printed
