"""The numbers in docs/subscriptions.md are those of the code."""

from __future__ import annotations

from pathlib import Path

from persisty.api.graphql.appsync.change_publisher import MOST_BYTES
from persisty.api.graphql.appsync.subscription_filter import MOST_FIELDS, MOST_GROUPS
from persisty.backends.dynamodb.parallel import MAX_THREADS
from persisty.deploy.events import BATCH, MAX_AGE, RETRIES
from persisty.hosting.websocket import MOST_OPERATIONS, PATIENCE
from persisty.store.change_feed import MAX_WAITING

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "subscriptions.md").read_text().split())


def test_the_documented_limits_are_those_of_the_code() -> None:
    assert f"at most {MOST_GROUPS} alternatives, names at most {MOST_FIELDS} attributes" in TEXT
    assert f"no event of more than {MOST_BYTES // 1000} KB" in TEXT
    assert f"up to {BATCH} changes is published {MAX_THREADS} at a time" in TEXT
    assert f"after {RETRIES} attempts or an hour" in TEXT
    assert MAX_AGE == 3600
    assert f"more than {MAX_WAITING:,} changes wait for a subscriber" in TEXT
    assert f"more than {MOST_OPERATIONS} operations of a connection" in TEXT
    assert f"no `connection_init` within {PATIENCE:g} seconds" in TEXT
