"""The key of a DynamoDB table changes under write load, by a migration that is killed at every step: no item is lost or stale."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from time import monotonic

from persisty.store.migration_lease import LEASES

from .load import Load
from .shop import ATTRIBUTES, Moved, Older, app

ITEMS, THREADS = int(os.environ.get("ITEMS", "300")), int(os.environ.get("THREADS", "2"))
STAGE, SWITCH = "move", "switch:car"
NOT_KILLED_AT = (
    []
    if "EVERY_STEP" in os.environ
    else [
        f"{step} begins"
        for step in (
            "Create the table car_2, with the settings of car",
            "Copy car to car_2",
            "Copy what older code has changed meanwhile in car",
        )
    ]
)
"""Points that `make test` leaves out, to be short."""


def killed(url: str, allowed: str, survived: list[str]) -> str | None:
    """Run a migration in a process that ends itself at the first point that is not in `survived`. Return the point, None if there was none."""
    command = [sys.executable, "-m", "tests.migrations.killed", url, STAGE, "Moved", allowed, *survived]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -9), ended.stderr
    return ended.stdout.strip().rpartition("\n")[2] if ended.returncode else None


def test_a_key_changes_under_load_by_a_migration_that_is_killed_at_every_step(local_endpoint: str) -> None:
    url = f"dynamodb://us-east-1?endpoint={local_endpoint}&index_attributes=2&max_scan=1000000"
    older = app(Older, url, STAGE)
    older.prepare()
    load = Load(older, THREADS)
    load.fill(ITEMS)
    points: dict[str, list[str]] = {"": [*NOT_KILLED_AT], SWITCH: [*NOT_KILLED_AT]}

    def ended(allowed: str) -> float:
        """Run migrations until one is not killed. Return the seconds of that one."""
        while True:
            began = monotonic()
            point = killed(url, allowed, points[allowed])
            if point is None:
                return monotonic() - began
            points[allowed].append(point)
            older.system_store(LEASES).update("shop", {"until": datetime(2020, 1, 1, tzinfo=UTC)})  # 60 seconds later

    with load:
        copied = ended("")
    switched = ended(SWITCH)
    newer = app(Moved, url, STAGE)
    newer.prepare()
    assert load.failures == []
    stored = {
        one.id: {"id": one.id, **{name: getattr(one, name) for name in ATTRIBUTES}}
        for one in newer.store(Moved).search_all()
    }
    assert stored == load.items
    assert any("True" in one for one in points[""]), "the stream is turned on"
    assert any("False" in one for one in points[SWITCH]), "the stream is turned off"
    kills = len(points[""]) + len(points[SWITCH]) - 2 * len(NOT_KILLED_AT)
    assert kills >= 6
    print(
        f"\n{len(load.items):,} items, {sum(load.requests):,} requests of {THREADS} threads, {kills} kills: "
        f"0 lost or stale items. The last copy took {copied:.0f} s, the last switch {switched:.0f} s"
    )
    newer.close()
    older.close()
