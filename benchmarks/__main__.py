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


if __name__ == "__main__":
    main()
