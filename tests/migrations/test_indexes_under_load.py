"""Five indexes added to a DynamoDB table under write load, by a migration that is killed at every step: no item is lost, and no request fails."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from persisty.store.migration_lease import LEASES

from .load import VALUES, Load
from .shop import ATTRIBUTES, Newer, Older, app

ITEMS, THREADS = int(os.environ.get("ITEMS", "300")), int(os.environ.get("THREADS", "2"))
STAGE = "load"
NOT_KILLED_AT = (
    []
    if "EVERY_STEP" in os.environ
    else [
        f"The index over {name} is new: it is built from the stored items {what}"
        for name in ATTRIBUTES
        for what in ("begins", "goes on")
    ]
)
"""Points that `make test` leaves out, to be short."""


def killed(url: str, survived: list[str]) -> str | None:
    """Run a migration in a process that ends itself at the first point that is not in `survived`. Returns the point, None if there was none."""
    command = [sys.executable, "-m", "tests.migrations.killed", url, STAGE, "Newer", "", *survived]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -9), ended.stderr
    return ended.stdout.strip() or None


def test_five_indexes_are_added_under_load_by_a_migration_that_is_killed_at_every_step(local_endpoint: str) -> None:
    url = f"dynamodb://us-east-1?endpoint={local_endpoint}&index_attributes=2&max_scan=1000000"
    older = app(Older, url, STAGE)
    older.prepare()
    load = Load(older, THREADS)
    load.fill(ITEMS)
    survived, began = [*NOT_KILLED_AT], monotonic()
    with load:
        while point := killed(url, survived):
            survived.append(point)
            older.system_store(LEASES).update("shop", {"until": datetime(2020, 1, 1, tzinfo=UTC)})  # 60 seconds later
    newer = app(Newer, url, STAGE)
    newer.prepare()
    taken = monotonic() - began
    assert load.failures == []
    stored = {one.id: _row(one) for one in newer.store(Newer).search_all()}
    assert stored == load.items
    for name in ATTRIBUTES:
        assert newer.store(Newer).explain(getattr(Newer, name) == VALUES[name][0]).access == "index"
        found = {
            one.id: _row(one)
            for value in VALUES[name]
            for one in newer.store(Newer).search_all(getattr(Newer, name) == value)
        }
        assert found == load.items, f"the index over {name}"
    kills = len(survived) - len(NOT_KILLED_AT)
    assert {f"by-{name}" for name in ATTRIBUTES} <= {*survived}
    assert kills == (5 if NOT_KILLED_AT else 15)
    print(
        f"\n{len(load.items):,} items, {sum(load.requests):,} requests of {THREADS} threads, {kills} kills in {taken:.0f} s: "
        f"0 failed requests, 0 lost items ({load.resent} sent again because of DynamoDB Local's own second, see load.py)"
    )
    newer.close()
    older.close()


def _row(item: Any) -> dict[str, Any]:
    return {"id": item.id, **{name: getattr(item, name) for name in ATTRIBUTES}}
