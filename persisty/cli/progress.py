"""Progress of a long command: a bar at a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from .terminal import plain_console

Report = Callable[[int, int], None]
"""Reports the bytes and rows that are done so far."""

EVERY = 5.0
"""Seconds between two lines."""


@contextmanager
def progress(label: str, size: int, console: Console | None = None) -> Iterator[Report]:
    """Show on stderr how much of `size` bytes is done, for as long as the context lasts."""
    console = console or plain_console(stderr=True)
    if not console.is_terminal:
        yield _plain(label, size, console)
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task(label, total=size, rows=0)
        yield lambda done, rows: bar.update(task, completed=done, rows=rows)


def _plain(label: str, size: int, console: Console) -> Report:
    last = time.monotonic()

    def report(done: int, rows: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            share = f"{min(done / size, 1):.0%}" if size else "100%"
            console.print(f"{label}: {share}, {rows:,} rows", markup=False, highlight=False, soft_wrap=True)

    return report
