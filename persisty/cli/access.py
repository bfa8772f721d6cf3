"""`persisty access`: print the access matrix of an app, a table for each store and one for the custom actions."""

from __future__ import annotations

import sys
from itertools import groupby
from operator import attrgetter
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ..api.action_access import check_access, marked, rule_of
from ..application import load_app
from ..security.access_matrix import ALL, NONE, access_matrix, action_rows, roles_of
from .project import AppArgument, app_of
from .tables import print_table

STYLES = {ALL: "green", NONE: "dim"}


def command(
    app: AppArgument = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, a row for each store and verb, and for each action")
    ] = False,
) -> None:
    """Print the access matrix: every store, verb, action and role."""
    spec = app_of(app)
    loaded = load_app(spec)
    marks = [marked(function) for function in loaded.actions]
    check_access(marks)
    rules = {mark.name: rule_of(mark) for mark in marks}
    roles = roles_of(loaded.metas.values(), rules.values())
    rows, actions = access_matrix(loaded.metas.values(), roles), action_rows(rules, roles)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode([*rows, *actions]), indent=2).decode() + "\n")
        return
    for store, some in groupby(rows, attrgetter("store")):
        named = [(f"{row.attribute} {row.verb}" if row.attribute else row.verb, row.cells) for row in some]
        print_table(_table(store, named))
    if actions:
        print_table(_table("Actions", [(row.action, row.cells) for row in actions]))


def _table(title: str, rows: list[tuple[str, dict[str, str]]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", expand=False, pad_edge=False, box=None)
    table.add_column("", no_wrap=True)
    for role in rows[0][1]:
        table.add_column(role, overflow="fold")
    for name, found in rows:
        table.add_row(
            name, *(f"[{STYLES[cell]}]{cell}[/]" if cell in STYLES else escape(cell) for cell in found.values())
        )
    table.add_row()
    return table
