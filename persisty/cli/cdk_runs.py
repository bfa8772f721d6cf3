"""The runs of the CDK CLI by one command: some lines of progress on the console, and the whole output in a log below `.persisty`.

If a run fails, the resources that failed and the last lines are printed, with the place of the log.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import typer
from rich.console import Console
from rich.markup import escape

from ..deploy.cdk_cli import run_cdk

LOG = Path(".persisty") / "cdk.log"
EVERY = 20.0
"""Seconds between two lines of progress where there is no terminal."""
LAST_LINES = 12
ENDS = {"": "deployed", " (no changes)": "no changes", ": destroyed": "deleted"}
"""The end of the CDK's line about a stack → what is printed."""
_EVENT = re.compile(
    r"(?P<stack>\S+) \|(?: *(?P<done>\d+)(?:/(?P<all>\d+))? \|)? *[^|]+\| *(?P<status>[A-Z_]+)[^|]*\| *(?P<type>\S+) *\| *(?P<what>.*)"
)
"""A line about a resource. In the summary of a failure it has no numbers."""
_END = re.compile(r"\s*✅\s+(?P<stack>[^\s:]+)(?P<end>.*)")
_FAILED = "❌"


class CdkRuns:
    """Runs the CDK CLI in `folder`. `verbose`: show its output instead, and let it read from the terminal."""

    def __init__(self, folder: Path, console: Console, *, verbose: bool = False) -> None:
        self._folder, self._console, self._verbose = folder, console, verbose
        self._mode = "wb"

    def synth(self, assembly: Path, words: Sequence[str], *, checked: bool = True, staged: bool = True) -> None:
        """Write the templates. `checked`: the CDK checks them. `staged`: the assembly has copies of the code. If it fails, print the CDK's output and exit."""
        arguments = ["synth", "--quiet", "--no-notices", "--output", str(assembly)]
        lines: list[str] = []
        code = self._run([*arguments, *(() if staged else ("--no-staging",)), *words], lines.append, checked=checked)
        if code:
            self._fail(code, lines)

    def change(self, words: Sequence[str]) -> None:
        """Deploy or delete stacks, and show the progress. If it fails, print why and exit."""
        lines: list[str] = []
        with nullcontext(lines.append) if self._verbose else _progress(self._console) as show:

            def line(text: str) -> None:
                lines.append(text)
                show(text)

            code = self._run(words, line, checked=False)
        if code:
            self._fail(code, [*_failures(lines), *_last(lines)], log=not self._verbose)

    def _run(self, words: Sequence[str], line: Callable[[str], None], *, checked: bool) -> int:
        if self._verbose:
            return run_cdk(self._folder, words, None, line, checked=checked)
        with _opened(self._folder / LOG, self._mode) as log:
            self._mode = "ab"  # further runs of the command follow
            return run_cdk(self._folder, words, log, line, checked=checked)

    def _fail(self, code: int, lines: Sequence[str], *, log: bool = False) -> None:
        for one in lines:
            typer.echo(one, err=True)
        if log:
            typer.echo(f"The whole output of the CDK is in {LOG}", err=True)
        raise typer.Exit(code)


def _opened(file: Path, mode: str) -> IO[bytes]:
    """Open the log. Version control ignores its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ignored = file.parent / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")
    return file.open(mode, buffering=0)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """Show the present resource at a terminal, otherwise one now and then, and each stack that is done."""
    last, begun = time.monotonic(), time.monotonic()
    with console.status("Waiting for the CDK") as status:

        def show(text: str) -> None:
            nonlocal last, begun
            now = time.monotonic()
            if (event := _EVENT.fullmatch(text)) is not None and event["done"] is not None:
                count = event["done"] + (f" of {event['all']}" if event["all"] else "")
                line = f"{event['stack']}: {count}, {event['type']} {event['what'].strip()}"
                status.update(escape(line))
                if now - last >= EVERY and not console.is_terminal:
                    last = now
                    console.print(line, markup=False, soft_wrap=True)
            elif (end := _END.fullmatch(text)) is not None and end["end"] in ENDS:
                console.print(f"{end['stack']}: {ENDS[end['end']]}, {now - begun:.1f} s", markup=False, soft_wrap=True)
                last = begun = now

        yield show


def _failures(lines: Sequence[str]) -> Iterator[str]:
    """Return a line for each resource that failed, with the reason."""
    events = [event for text in lines if (event := _EVENT.fullmatch(text)) is not None]
    failed = (one for one in events if one["status"].endswith("FAILED"))
    return iter(dict.fromkeys(f"{one['stack']}: {one['status']} {one['type']} {one['what'].strip()}" for one in failed))


def _last(lines: Sequence[str]) -> list[str]:
    """Return the CDK's own summary of a failure, or else the last lines."""
    begins = next((number for number, text in enumerate(lines) if _FAILED in text), 0)
    said = dict.fromkeys(text for text in lines[begins:] if text.strip() and _EVENT.fullmatch(text) is None)
    return list(said)[-LAST_LINES:]
