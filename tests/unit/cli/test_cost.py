"""`persisty cost` prints a line for each resource."""

from __future__ import annotations

from pathlib import Path

from .conftest import Persisty


def test_the_command_prints_a_line_for_each_resource(persisty: Persisty, tmp_path: Path) -> None:
    file = tmp_path / "load.toml"
    file.write_text("[requests]\nrest = 1_000_000\n[stores.order]\ncreates = 2_000_000\n")
    done = persisty("cost", "tests.plan.test_cost:APP", "--load", str(file))
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    assert ["table", "order", "4,000,000", "write", "request", "units", "2.50"] in rows
    assert ["HTTP", "API", "1,000,000", "requests", "of", "up", "to", "512", "KB", "1.00"] in rows
    assert persisty("cost", "tests.plan.test_cost:APP", "--load", str(tmp_path / "none.toml")).code == 2
