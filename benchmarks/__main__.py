"""`make bench`: all measurements in one run, as a table of ratios and as `benchmarks/results.json`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from . import dynamodb, imports, postgres, rest, sqlite, start
from .measure import Row

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
SUITES = {
    "dynamodb": dynamodb,
    "sqlite": sqlite,
    "postgres": postgres,
    "import": imports,
    "rest": rest,
    "start": start,
}


COLUMNS = ("work", "peer", "ratio", "target", "met", "measured")


def main() -> None:
    """Run the suites named on the command line, or all of them, which also renews the file."""
    asked = sys.argv[1:] or list(SUITES)
    found: list[Row] = []
    for name in asked:
        for row in SUITES[name].rows():
            found.append(row)
            print(" · ".join(_cells(row)), file=sys.stderr)
    table = Table(*COLUMNS)
    for row in found:
        table.add_row(*_cells(row))
    Console().print(table)
    if len(asked) == len(SUITES):
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        _renew(found)


def _cells(row: Row) -> tuple[str, ...]:
    met = "" if row.met is None else "yes" if row.met else "no"
    return row.work, row.peer, str(row.ratio), row.target, met, row.measured


def _renew(found: list[Row]) -> None:
    """Put the table into the page that shows it."""
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *(_line(_cells(one)) for one in found)]
    before, _, rest = PAGE.read_text().partition("<!-- results -->")
    after = rest.partition("<!-- end of results -->")[2]
    PAGE.write_text(f"{before}<!-- results -->\n" + "\n".join(lines) + f"\n<!-- end of results -->{after}")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
