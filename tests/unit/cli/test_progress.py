"""Progress is a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from persisty.cli import progress as module
from persisty.cli.progress import progress

from .conftest import SHOP

ROOT = Path(__file__).parents[3]


def test_plain_lines_are_printed_at_intervals_without_colour_or_control_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shown = io.StringIO()
    with progress("rows [1].csv", 1000, Console(file=shown)) as report:
        for step in range(1, 21):
            now = step * 1.0
            report(step * 50, step * 100)
    assert shown.getvalue() == (
        "rows [1].csv: 25%, 500 rows\nrows [1].csv: 50%, 1,000 rows\nrows [1].csv: 75%, 1,500 rows\nrows [1].csv: 100%, 2,000 rows\n"
    )


def test_an_empty_file_has_a_percentage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", -1.0)
    shown = io.StringIO()
    with progress("empty.csv", 0, Console(file=shown)) as report:
        report(0, 0)
    assert shown.getvalue() == "empty.csv: 100%, 0 rows\n"


def test_a_terminal_shows_a_bar_with_bytes_and_rows_separate_from_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("id,price\n" + "".join(f"p{number},1\n" for number in range(2_000)))
    terminal, stderr = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "persisty", "import", SHOP, "product", str(path), "--url", f"sqlite:///{tmp_path}/x.db"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(stderr)
    seen = b""
    while chunk := _read(terminal):
        seen += chunk
    out = run.communicate()[0].decode()
    os.close(terminal)
    size = path.stat().st_size / 1000
    assert run.returncode == 0, seen
    assert "2,000 read, 2,000 imported, 0 rejected" in out
    assert "\x1b" not in out
    last = seen.decode()
    assert "products.csv" in last
    assert "━" in last
    assert f"{size:.1f}/{size:.1f} kB" in last
    assert "2,000 rows" in last


def _read(terminal: int) -> bytes:
    """Return the terminal's content, or nothing if its other end is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
