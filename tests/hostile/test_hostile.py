"""A short part of `make hostile`: hostile requests to every surface do not harm the server."""

from __future__ import annotations

from pathlib import Path

from .attack import WAYS, attack, serving

COUNT, SEED = 500, 7


def test_hostile_requests_leave_the_server_healthy(tmp_path: Path) -> None:
    with serving(tmp_path) as target:
        report = attack(target, SEED, COUNT)
    assert report.faults() == [], report.table()
    assert len(report.sent) == COUNT
    assert {one.way for one in report.sent} == set(WAYS)
