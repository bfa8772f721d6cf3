"""`persisty access`: print the access matrix of an app, a table for each store."""

from __future__ import annotations

import sys
from itertools import groupby
from operator import attrgetter
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import settings
from ..application import load_app
from ..errors import InvalidDeclaration
from ..security.access_matrix import ALL, NONE, Row, access_matrix

STYLES = {ALL: "green", NONE: "dim"}


def command(
    app: Annotated[str | None, typer.Argument(help="The app, as module:attribute; default: PERSISTY_APP")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, a row for each store and verb")] = False,
) -> None:
    """Print the access matrix: every store, verb and role."""
    spec = app or settings.load().app
    if spec is None:
        raise InvalidDeclaration("No app: give module:attribute, or set PERSISTY_APP")
    rows = access_matrix(load_app(spec).metas.values())
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
        return
    console = Console(highlight=False)
    for store, some in groupby(rows, attrgetter("store")):
        console.print(_table(store, list(some)))


def _table(store: str, rows: list[Row]) -> Table:
    table = Table(title=store, title_justify="left", title_style="bold", expand=False, pad_edge=False, box=None)
    table.add_column("", no_wrap=True)
    for role in rows[0].cells:
        table.add_column(role, overflow="fold")
    for row in rows:
        name = f"{row.attribute} {row.verb}" if row.attribute else row.verb
        cells = [f"[{STYLES[cell]}]{cell}[/]" if cell in STYLES else escape(cell) for cell in row.cells.values()]
        table.add_row(name, *cells)
    table.add_row()
    return table
