"""Progress of a migration: a bar for each step at a terminal, otherwise a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..deploy.migration import Progress as Report
from ..store.migration import Step
from .terminal import plain_console


@contextmanager
def step_progress(done: list[str]) -> Iterator[Report]:
    """Show each step on stderr. The titles of the steps that began are appended to `done`."""
    console = plain_console(stderr=True)
    if not console.is_terminal:
        begun: set[int] = set()

        def line(step: Step, items: int) -> None:
            if id(step) not in begun:  # steps are referenced until the migration ends
                begun.add(id(step))
                done.append(step.title)
                typer.echo(step.title, err=True)

        yield line
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[int, TaskID] = {}

        def show(step: Step, items: int) -> None:
            if id(step) not in tasks:
                done.append(step.title)
                tasks[id(step)] = bar.add_task(step.title, total=step.items or 1)
            bar.update(tasks[id(step)], completed=items if step.items else int(items > 0))

        yield show
