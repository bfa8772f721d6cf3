"""`python -m benchmarks.flights [URL]`: import all three files of $OPENFLIGHTS_DIR by the command line.

Without a URL, they go into a temporary SQLite file. After each summary come the reasons of the rejected rows. The exit code is 0 if
each import ended with 0 or 1: a few rows of these files are wrong and must be rejected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

APP = "benchmarks.flights.app:app"
ROOT = Path(__file__).parents[2]

FILES: dict[str, tuple[str, str]] = {
    "airline": ("airlines.dat", "id,name,alias,iata,icao,callsign,country,active"),
    "airport": (
        "airports.dat",
        "id,name,city,country,iata,icao,latitude,longitude,altitude,utc_offset,daylight_saving,time_zone,_,_",
    ),
    "route": (
        "routes.dat",
        "airline,airline_id,source,source_id,destination,destination_id,codeshare,stops,equipment",
    ),
}
"""Store → (its file, the columns of the file). Further columns of airports have the same value in every row."""

DIALECT = (
    "--format",
    "csv",
    "--escape",
    "\\",
    "--null",
    "\\N",
    "--null",
    "",
    "--null",
    '""',
    "--true",
    "Y",
    "--false",
    "N",
)
"""MySQL's dialect: backslash escapes, `\\N` for null; empty fields are null too, in quotes or without."""


def arguments(store: str, folder: Path, url: str, rejects: Path) -> list[str]:
    """Return the arguments of `persisty` that import the file of a store."""
    file, columns = FILES[store]
    options = ["--columns", columns, *DIALECT, "--url", url, "--prepare", "--rejects", str(rejects)]
    return ["import", APP, store, str(folder / file), *options]


def reasons(rejects: Path) -> list[str]:
    """Return the reasons of rejected rows, a line for each, the most frequent first."""
    rows = map(json.loads, rejects.read_text().splitlines() if rejects.exists() else ())
    counts = Counter(f"{row['code']} {fault['path']}: {fault['message']}" for row in rows for fault in row["faults"])
    return [f"{count:>6} {reason}" for reason, count in counts.most_common()]


def main() -> int:
    folder = os.environ.get("OPENFLIGHTS_DIR")
    if not folder:
        print("OPENFLIGHTS_DIR is not set: it names the folder of airlines.dat, airports.dat and routes.dat")
        return 2
    with tempfile.TemporaryDirectory(prefix="flights-") as scratch:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{scratch}/flights.db"
        codes = []
        for store in FILES:
            rejects = Path(scratch, f"{store}.rejected.jsonl")
            command = [sys.executable, "-m", "persisty", *arguments(store, Path(folder), url, rejects)]
            codes.append(subprocess.run(command, cwd=ROOT, check=False).returncode)
            print(*reasons(rejects), sep="\n", end="\n\n")
    return max(codes) if max(codes) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
