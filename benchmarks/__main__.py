"""`make bench`: run all measurements and write `benchmarks/results.json` and the tables of ratios, round trips and deployed handlers.

`python -m benchmarks sqlite` runs one suite and only prints. `python -m benchmarks round_trips handlers` rewrites only those tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from . import (
    cache,
    catalogue,
    dynamodb,
    graphql,
    handlers,
    imports,
    postgres,
    rest,
    round_trips,
    rules,
    sqlite,
    start,
    synth,
    triggers,
)
from .measure import Row

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
SUITES = {
    "dynamodb": dynamodb,
    "sqlite": sqlite,
    "postgres": postgres,
    "rules": rules,
    "triggers": triggers,
    "cache": cache,
    "catalogue": catalogue,
    "import": imports,
    "rest": rest,
    "graphql": graphql,
    "start": start,
    "synth": synth,
}


TABLES = {"round_trips": ("round trips", round_trips), "handlers": ("handlers", handlers)}
"""Measurement with a table of its own → the mark on the page, and its module."""
COLUMNS = ("work", "peer", "ratio", "target", "met", "measured")


def main() -> None:
    """Run the suites named on the command line, or all. A run of all also rewrites the file and the page."""
    asked = sys.argv[1:] or [*SUITES, *TABLES]
    found: list[Row] = []
    for name in asked:
        for row in SUITES[name].rows() if name in SUITES else ():
            found.append(row)
            print(" · ".join(_cells(row)), file=sys.stderr)
    if found:
        table = Table(*COLUMNS)
        for row in found:
            table.add_row(*_cells(row))
        Console().print(table)
    if {*SUITES} <= {*asked}:
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        _renew("results", COLUMNS, map(_cells, found))
    for place, module in (TABLES[name] for name in TABLES if name in asked):
        _renew(place, module.COLUMNS, module.table())


def _cells(row: Row) -> tuple[str, ...]:
    met = "" if row.met is None else "yes" if row.met else "no"
    return row.work, row.peer, str(row.ratio), row.target, met, row.measured


def _renew(name: str, columns: Iterable[str], cells: Iterable[Iterable[str]]) -> None:
    """Write a table into the page."""
    lines = [_line(columns), _line("---" for _ in columns), *map(_line, cells)]
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = PAGE.read_text().partition(start)
    PAGE.write_text(before + start + "\n".join([*lines, end]) + rest.partition(end)[2])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
