"""Print tables: fitted to the width of a terminal, and one line for each row where the output is a pipe or a file."""

from __future__ import annotations

from io import StringIO

import typer
from rich.table import Table

from .terminal import plain_console

UNLIMITED = 1_000_000
"""Width, in columns, at which no cell is wrapped."""


def print_table(table: Table) -> None:
    """Print a table. Where the output is no terminal, no cell is wrapped and no line ends with spaces, so that `grep` finds a whole row."""
    console = plain_console()
    if console.is_terminal:
        console.print(table)
        return
    text = StringIO()
    plain_console(file=text, width=UNLIMITED).print(table)
    for line in text.getvalue().splitlines():
        typer.echo(line.rstrip())
