"""Rows a second of `persisty import` into SQLite, against a loop over Python's csv module and SQLAlchemy Core.

Both read the same file, write in transactions of a hundred rows, and generate keys and timestamps; persisty also checks
every row and would report its mistakes. The time is that of the import, without the start of the process.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import insert

from .measure import Row, row
from .peers.core import BATCH, Base, Note, values
from .sql import AUTHOR
from .sqlite import engine_of

ROWS, ROUNDS = 20_000, 3


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "messages.csv"
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("text", "author_id"))
            writer.writerows((f"message number {number}, of a usual length", AUTHOR) for number in range(ROWS))
        ours, theirs = [], []
        for turn in range(ROUNDS):
            ours.append(_persisty(file, f"sqlite:///{folder}/persisty{turn}.db"))
            theirs.append(_peer(file, Path(folder) / f"peer{turn}.db"))
    yield row(
        f"import of {ROWS:,} rows of CSV, rows/s", "csv and SQLAlchemy Core", max(ours), max(theirs), unit="rows/s"
    )


def _persisty(file: Path, url: str) -> float:
    """Return the rate that the command prints."""
    command = [sys.executable, "-m", "persisty", "import", "benchmarks.messages:app", "message", str(file)]
    told = subprocess.run([*command, "--url", url], check=True, capture_output=True, text=True).stdout
    [rate] = re.findall(r"([\d,]+) rows/s", told)
    return float(rate.replace(",", ""))


def _peer(file: Path, database: Path) -> float:
    engine = engine_of(database)
    Base.metadata.create_all(engine)
    start = time.perf_counter()
    with file.open(newline="") as stream:
        reader = csv.DictReader(stream)
        while batch := [values(one["text"], one["author_id"]) for one in islice(reader, BATCH)]:
            with engine.begin() as connection:
                connection.execute(insert(Note), batch)
    rate = ROWS / (time.perf_counter() - start)
    engine.dispose()
    return rate
