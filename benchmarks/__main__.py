"""`make bench`: all measurements in one run, as a table of ratios and as `benchmarks/results.json`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from . import dynamodb, rest, sqlite, start
from .measure import Row

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
SUITES = {"dynamodb": dynamodb, "sqlite": sqlite, "rest": rest, "start": start}


def main() -> None:
    """Run the suites named on the command line, or all of them, which also renews the file."""
    asked = sys.argv[1:] or list(SUITES)
    found: list[Row] = []
    for name in asked:
        for row in SUITES[name].rows():
            found.append(row)
            print(f"{row.work} / {row.peer}: {row.ratio} ({row.target})", file=sys.stderr)
    table = Table("work", "peer", "ratio", "target", "met")
    for row in found:
        table.add_row(row.work, row.peer, str(row.ratio), row.target, "yes" if row.met else "no")
    Console().print(table)
    if len(asked) == len(SUITES):
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        _renew(found)


def _renew(found: list[Row]) -> None:
    """Put the table into the page that shows it."""
    lines = ["| work | peer | ratio | target | met |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.work} | {one.peer} | {one.ratio} | {one.target} | {'yes' if one.met else 'no'} |" for one in found
    ]
    before, _, rest = PAGE.read_text().partition("<!-- results -->")
    after = rest.partition("<!-- end of results -->")[2]
    PAGE.write_text(f"{before}<!-- results -->\n" + "\n".join(lines) + f"\n<!-- end of results -->{after}")


if __name__ == "__main__":
    main()
