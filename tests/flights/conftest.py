"""Runs of `persisty import` over the real files, and what they should have read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.flights.__main__ import APP, ROOT, arguments

from . import plain

SUMMARY = re.compile(r"(?P<read>[\d,]+) read, (?P<imported>[\d,]+) imported, (?P<rejected>[\d,]+) rejected")


class Import(NamedTuple):
    """A run of `persisty import`: how it ended, what it counted, and the rows it rejected."""

    code: int
    output: str
    errors: str
    rejected: list[dict[str, Any]]

    def count(self, what: str) -> int:
        found = SUMMARY.search(self.output)
        assert found, (self.output, self.errors)
        return int(found[what].replace(",", ""))


class Files(NamedTuple):
    """The folder of the files and their rows by store, all of them and those that are right."""

    folder: Path
    rows: dict[str, list[plain.PlainRow]]
    right: dict[str, list[plain.PlainRow]]


RunImport = Callable[..., Import]


def run_import(rejects: Path, *options: str) -> Import:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "persisty", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rejected = [json.loads(line) for line in rejects.read_text().splitlines()] if rejects.exists() else []
    return Import(run.returncode, run.stdout, run.stderr, rejected)


def import_file(files: Files, store: str, url: str, scratch: Path) -> Import:
    """Import the file of a store as `python -m benchmarks.flights` does."""
    rejects = scratch / f"{store}.rejected.jsonl"
    return run_import(rejects, *arguments(store, files.folder, url, rejects))


def import_json(path: Path, store: str, url: str) -> Import:
    """Import a file of JSON lines."""
    rejects = path.with_name(f"{path.name}.rejected.jsonl")
    return run_import(rejects, "import", APP, store, str(path), "--url", url, "--prepare")


@pytest.fixture(scope="session")
def files() -> Files:
    folder = os.environ.get("OPENFLIGHTS_DIR")
    if not folder:
        pytest.skip("OPENFLIGHTS_DIR is not set: it names the folder of OpenFlights' airlines, airports and routes")
    rows = {store: plain.read(Path(folder), store) for store in plain.COLUMNS}
    right = {store: [row for row in all_ if not plain.faults(store, row)] for store, all_ in rows.items()}
    return Files(Path(folder), rows, right)
