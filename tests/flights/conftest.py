"""Runs of `persisty import` over the real files, and the expected rows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.flights.__main__ import APP, ROOT, arguments

from . import plain

SUMMARY = re.compile(r"(?P<read>[\d,]+) read, (?P<imported>[\d,]+) imported, (?P<rejected>[\d,]+) rejected")


class Import(NamedTuple):
    """A run of `persisty import`: its exit code, its counts, and the rejected rows."""

    code: int
    output: str
    errors: str
    rejected: list[dict[str, Any]]

    def count(self, what: str) -> int:
        found = SUMMARY.search(self.output)
        assert found, (self.output, self.errors)
        return int(found[what].replace(",", ""))


class Files(NamedTuple):
    """The folder of the files, and their rows by store: all rows, and the valid ones."""

    folder: Path
    rows: dict[str, list[plain.PlainRow]]
    right: dict[str, list[plain.PlainRow]]


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


def require_files() -> Path:
    """Return the folder of the files. Skips the module if the variable for it is not set."""
    folder = os.environ.get("OPENFLIGHTS_DIR")
    if not folder:
        reason = "OPENFLIGHTS_DIR is not set: it names the folder of airlines.dat, airports.dat and routes.dat"
        pytest.skip(reason, allow_module_level=True)
    return Path(folder)


@pytest.fixture(scope="session")
def files() -> Files:
    folder = require_files()
    rows = {store: plain.read(folder, store) for store in plain.COLUMNS}
    right = {store: [row for row in all_ if not plain.faults(store, row)] for store, all_ in rows.items()}
    return Files(folder, rows, right)
