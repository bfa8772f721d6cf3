"""`persisty migrate`: change what is stored until it fits the declarations, or print the steps that would do so.

Exit code 0: everything fits. 1: a stored item does not survive a change, another migration runs, or the engine failed. 2: an invalid call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..deploy.migration import Migration, Planned
from ..deploy.migration import Progress as Report
from ..errors import PersistyError
from ..store.migration import Step
from .diff import load, table
from .project import AppArgument


def command(
    app: AppArgument = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the steps and their statements, and change nothing")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="drop:ITEM.ATTRIBUTE", help="A destructive change to make, as `persisty diff` names it"),
    ] = None,
) -> None:
    """Change what is stored until it fits the declarations."""
    loaded, _ = load(app, url)
    migration = Migration(loaded, allow or ())
    if plan:
        _print_plan(migration.plan())
        return
    done: list[str] = []
    try:
        with _progress(done) as report:
            planned = migration.apply(report)
    except PersistyError:
        _print_unfinished(done)
        raise
    _print_left(planned)
    steps = sum(len(one.steps) for one in planned)
    typer.echo(f"{loaded.name} fits its declarations: {steps} steps done" if steps else "Nothing to do")


def _print_plan(planned: Sequence[Planned]) -> None:
    """Print the changes, and for each step its statements and the number of items."""
    changes = [change for one in planned for change in one.evolution.changes]
    if not changes:
        typer.echo("Nothing to change")
        return
    Console(highlight=False).print(table(changes))
    for one in planned:
        for step in one.steps:
            items = "" if step.items is None else f" ({step.items:,} items)"
            typer.echo(f"\n-- {step.title}{items}")
            for statement in step.statements:
                typer.echo(f"{statement};")
    _print_left(planned)


def _print_left(planned: Sequence[Planned]) -> None:
    """Print the destructive changes that are not made."""
    for one in planned:
        for change in one.left:
            typer.echo(f"Left: {change.message}. To make this change: --allow {change.allow}")


def _print_unfinished(done: Sequence[str]) -> None:
    if done:
        typer.echo(f"Stopped at: {done[-1]}. Run the command again: it continues from what is stored", err=True)


@contextmanager
def _progress(done: list[str]) -> Iterator[Report]:
    """Show each step: a bar at a terminal, otherwise a line. The titles of the steps that began are appended to `done`."""
    console = Console(stderr=True)
    if not console.is_terminal:

        def line(step: Step, items: int) -> None:
            if not items:
                done.append(step.title)
                typer.echo(step.title, err=True)

        yield line
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[int, object] = {}

        def show(step: Step, items: int) -> None:
            if id(step) not in tasks:
                done.append(step.title)
                tasks[id(step)] = bar.add_task(step.title, total=step.items or 1)
            bar.update(tasks[id(step)], completed=items if step.items else int(items > 0))  # type: ignore[arg-type]

        yield show
