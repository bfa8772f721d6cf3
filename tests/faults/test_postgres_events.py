"""Changes with events on PostgreSQL through lost connections: item and event are stored together, once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from persisty import App, BackendUnavailable, Create, Update
from persisty.backends.sql.postgres import backend, pool, transaction_status
from persisty.backends.sql.postgres.notifications import Notifications
from persisty.backoff import ATTEMPTS
from persisty.store import transactions
from persisty.store.trigger_registry import AfterTrigger, Handler

from ..postgres import schema_in
from ..unit.sql.proxy import Proxy
from .items import ITEMS, Slot
from .verdict import DOUBT, OK, verdict


class Each:
    """An action that wants each change of a slot."""

    stores = frozenset({"slot"})

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return (AfterTrigger("log"),)

    def handler(self, action: str) -> Handler | None:
        return None


@pytest.fixture(scope="module")
def schema(postgres_url: str) -> str:
    return schema_in(postgres_url)


@pytest.fixture(scope="module")
def near(schema: str) -> Iterator[App]:
    """Yield an app that reads the stored items directly."""
    app = App("faults", items=ITEMS, url=schema)
    app.triggers = Each()
    app.prepare()
    yield app
    app.close()


@pytest.fixture
def proxy(schema: str, tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy(tmp_path, schema)
    yield made
    made.close()


@pytest.fixture
def far(near: App, proxy: Proxy) -> Iterator[App]:
    """Yield an app that uses the same tables through the proxy, with an open connection and prepared statements."""
    app = App("faults", items=ITEMS, url=proxy.url)
    app.triggers = Each()
    slots = app.store(Slot)
    slots.update(slots.create(Slot(id=uuid4().hex)).id, {"owner": "me"})
    yield app
    app.close()


@pytest.fixture(autouse=True)
def _without_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not let the connection that sends notifications be the one that is lost."""
    monkeypatch.setattr(Notifications, "send", lambda self: None)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the seconds that the code would have waited."""
    slept: list[float] = []
    for module in (pool, backend, transaction_status, transactions):
        monkeypatch.setattr(module, "sleep", slept.append)
    return slept


def kinds(app: App, key: str) -> list[str]:
    """Return the kinds of the events of an item, in order."""
    [outbox] = app.outboxes.values()
    return [one.kind for one in outbox.search(None, "slot", None, 100_000) if one.key == key]


def test_a_create_with_an_event_is_one_round_trip_and_an_update_two(far: App, proxy: Proxy) -> None:
    slots, key = far.store(Slot), uuid4().hex
    trips = []
    calls: list[Callable[[], Any]] = [
        lambda: slots.create(Slot(id=key)),
        lambda: slots.update(key, {"owner": "me"}),
        lambda: slots.update("none", {"owner": "me"}),
    ]
    for call in calls:
        before = proxy.round_trips
        call()
        trips.append(proxy.round_trips - before)
    assert trips == [1, 2, 2]


@pytest.mark.parametrize("carried", [True, False])
def test_a_create_whose_connection_is_lost_is_made_once_with_its_event(
    far: App, near: App, proxy: Proxy, carried: bool
) -> None:
    key = uuid4().hex
    proxy.lose(1, delivered=carried)
    outcome = verdict(lambda: far.store(Slot).create(Slot(id=key)))
    assert outcome == (DOUBT if carried else OK)
    assert near.store(Slot).read(key) is not None
    assert kinds(near, key) == ["created"]


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("trip", [1, 2])
def test_an_update_whose_connection_is_lost_is_made_at_most_once_with_its_event(
    far: App, near: App, proxy: Proxy, trip: int, carried: bool
) -> None:
    key = uuid4().hex
    near.store(Slot).create(Slot(id=key))
    proxy.lose(trip, delivered=carried)
    outcome = verdict(lambda: far.store(Slot).update(key, {"owner": "you"}))
    done = trip < 2 or carried
    item = near.store(Slot).read(key)
    assert outcome == (OK if trip < 2 else DOUBT), "before its commit, a transaction is repeated"
    assert item is not None
    assert item.owner == ("you" if done else None)
    assert kinds(near, key) == ["created", *(["updated"] if done else [])]


def test_a_batch_whose_connection_is_lost_is_made_once_with_its_events(far: App, near: App, proxy: Proxy) -> None:
    key, other = uuid4().hex, uuid4().hex
    near.store(Slot).create(Slot(id=key))
    proxy.lose(3)
    results = far.store(Slot).edit_batch([Update(key, {"owner": "you"}), Create(Slot(id=other))])
    assert [one.error for one in results] == [None, None]
    assert (kinds(near, key), kinds(near, other)) == (["created", "updated"], ["created"])


def test_a_server_that_is_down_is_not_tried_more_often_than_for_a_plain_write(
    far: App, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise psycopg.OperationalError("connection refused")

    slots, key = far.store(Slot), uuid4().hex
    slots.create(Slot(id=key))
    sessions: Any = far._engines.connected().engine
    while sessions._postgres._pool._idle:
        sessions._postgres._pool._end(sessions._postgres._pool._idle.pop())
    monkeypatch.setattr(pool, "Session", refuse)
    for call in (lambda: slots.create(Slot(id=uuid4().hex)), lambda: slots.update(key, {"owner": "you"})):
        waits.clear()
        with pytest.raises(BackendUnavailable):
            call()
        assert len(waits) == ATTEMPTS - 1
