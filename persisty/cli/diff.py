"""`persisty diff`: print the changes that stored items need to fit the declarations. Changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..application import App, load_app
from ..deploy.evolution import evolutions_of
from ..model.schema_changes import Change, Effect
from .project import AppArgument, app_of

STYLES = {Effect.SAFE: "green", Effect.SLOW: "yellow", Effect.WAVES: "yellow", Effect.DESTRUCTIVE: "bold red"}


def command(
    app: AppArgument = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object for each change")] = False,
) -> None:
    """Print the changes that stored items need to fit the declarations."""
    loaded, _ = load(app, url)
    changes = [change for evolution in evolutions_of(loaded) for change in evolution.changes]
    if json:
        rows = [as_json(one) for one in changes]
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
    elif changes:
        Console(highlight=False).print(table(changes))
    else:
        typer.echo(f"Nothing to change: what is stored in {loaded.url} fits the declarations")


def load(app: str | None, url: str | None) -> tuple[App, str]:
    """Return the app of the argument or the settings, and its name as `module:attribute`."""
    spec = app_of(app)
    loaded = load_app(spec)
    if url:
        loaded.use(url)
    return loaded, spec


def as_json(change: Change) -> dict[str, Any]:
    """Return a change as JSON values, with its path."""
    found: dict[str, Any] = msgspec.to_builtins(change)
    return {"path": change.path, **found}


def table(changes: Iterable[Change]) -> Table:
    """Return the changes as a table for a terminal."""
    shown = Table(box=None, pad_edge=False)
    for title in ("change", "effect", ""):
        shown.add_column(title, overflow="fold")
    for one in changes:
        blocked = f". {one.blocked}" if one.blocked else ""
        allow = f" (--allow {one.allow})" if one.allow else ""
        effect = "[bold red]blocked[/]" if one.blocked else f"[{STYLES[one.effect]}]{one.effect.value}[/]"
        shown.add_row(escape(one.path), effect, escape(f"{one.message}{blocked}{allow}"))
    return shown
