"""Reads through faults: the right answer after a bounded number of attempts, or a typed error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from persisty import App, BackendUnavailable, Create, Store, Throttled
from persisty.aws import http_connections as http
from persisty.backends.dynamodb import boto3_transport as boto3_client
from persisty.backoff import ATTEMPTS, BACKOFF_CAP
from persisty.store import store as verbs

from .items import A, Account, S, Slot, app_at, prepared_at
from .proxy import (
    AFTER,
    BEFORE,
    Fault,
    FaultProxy,
    Request,
    carried,
    cut_in_body,
    dribbling,
    exceeded,
    late,
    partly,
    refusing,
    throttled,
)

FAULTS = BEFORE | AFTER
SLOTS = 23
PAGE = 5
"""Items that `search_all` fetches at once here."""


@pytest.fixture(scope="module")
def near(local_endpoint: str) -> Iterator[App]:
    """Yield an app whose tables are empty."""
    with prepared_at(local_endpoint) as app:
        yield app


@pytest.fixture(scope="module")
def slots(near: App) -> list[Slot]:
    """Create several pages of items, in the order of their keys."""
    made = [Slot(id=f"{number:02}", owner="ab"[number % 2], count=number) for number in range(SLOTS)]
    assert {one.code for one in near.store(Slot).edit_batch([Create(one) for one in made])} == {"ok"}
    return made


READS: dict[str, tuple[Callable[[Store[Slot]], Any], Callable[[list[Slot]], Any]]] = {
    "read": (lambda store: store.read("03"), lambda slots: slots[3]),
    "read of an absent item": (lambda store: store.read("none"), lambda slots: None),
    "read_batch": (
        lambda store: store.read_batch(["07", "none", "01", "07"]),
        lambda slots: [slots[7], None, slots[1], slots[7]],
    ),
    "search_all": (
        lambda store: sorted(one.id for one in store.search_all()),
        lambda slots: [one.id for one in slots],
    ),
    "search_all in an order": (lambda store: list(store.search_all(order="-count")), lambda slots: slots[::-1]),
    "search_all with a filter": (
        lambda store: sorted(one.count for one in store.search_all(S.owner == "a")),
        lambda slots: list(range(0, SLOTS, 2)),
    ),
    "search page by page": (lambda store: sorted(paged(store)), lambda slots: [one.id for one in slots]),
    "count": (lambda store: store.count(), lambda slots: SLOTS),
    "aggregate": (lambda store: store.aggregate(S.count.sum())[0].values, lambda slots: (sum(range(SLOTS)),)),
}


def paged(store: Store[Slot]) -> Iterator[str]:
    cursor = None
    while True:
        page = store.search(limit=PAGE, cursor=cursor)
        yield from (one.id for one in page)
        cursor = page.cursor
        if cursor is None:
            return


@pytest.mark.parametrize("verb", READS)
def test_a_fault_at_any_request_of_a_read_changes_nothing(
    far: App, proxy: FaultProxy, slots: list[Slot], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "MAX_LIMIT", PAGE)
    ask, expected = READS[verb]
    store, right = far.store(Slot), expected(slots)
    ask(store)  # some verbs request the size of the table once
    proxy.seen.clear()
    assert ask(store) == right
    requests = len(proxy.seen)
    assert requests >= (4 if "page" in verb or verb == "search_all" else 1)
    for name, fault in FAULTS.items():
        for position in range(requests):
            proxy.faults(*[carried] * position, fault)
            assert ask(store) == right, (name, position)
            assert len(proxy.seen) == requests + 1, (name, position)


@pytest.mark.parametrize("name", FAULTS)
def test_a_permanent_fault_is_a_typed_error_after_bounded_attempts(
    far: App, proxy: FaultProxy, slots: list[Slot], waits: list[float], name: str
) -> None:
    proxy.choose = lambda _: FAULTS[name]
    kind = Throttled if FAULTS[name] in (throttled, exceeded) else BackendUnavailable
    for verb in ("read", "read_batch", "count", "search page by page"):
        proxy.seen.clear()
        waits.clear()
        with pytest.raises(kind) as caught:
            READS[verb][0](far.store(Slot))
        assert "in_doubt" not in caught.value.details
        assert len(proxy.seen) == ATTEMPTS
        assert len(waits) == ATTEMPTS - 1
        assert all(0 <= one <= BACKOFF_CAP for one in waits)
        assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("name", ["ThrottledException", "RequestLimitExceeded", "TransactionInProgressException"])
def test_every_throttling_code_is_throttled(far: App, proxy: FaultProxy, slots: list[Slot], name: str) -> None:
    proxy.faults(refusing(name), refusing(name))
    assert far.store(Slot).read("03") == slots[3]
    proxy.choose = lambda _: refusing(name)
    with pytest.raises(Throttled):
        far.store(Slot).read("03")


def test_a_connection_lost_within_a_large_page_loses_and_repeats_nothing(
    far: App, near: App, proxy: FaultProxy
) -> None:
    """The pages have a megabyte and arrive in many pieces."""
    text = "ü" * 50_000
    made = near.store(Account).edit_batch([Create(Account(owner="large", log=[text])) for _ in range(25)])
    keys = sorted(one.item.id for one in made if one.item)
    asked = len(proxy.seen)
    for position in range(3):
        proxy.faults(*[carried] * position, cut_in_body)
        found = list(far.store(Account).search_all(A.owner == "large"))
        assert sorted(one.id for one in found) == keys
        assert all(one.log == [text] for one in found)
        assert len(proxy.seen) - asked >= 4
    near.store(Account).delete_all()


def test_unprocessed_keys_are_requested_again(
    far: App, proxy: FaultProxy, slots: list[Slot], waits: list[float]
) -> None:
    proxy.choose = lambda _: partly
    store = far.store(Slot)
    assert store.read_batch([one.id for one in slots]) == slots
    assert (len(proxy.seen), waits) == (SLOTS, [])
    proxy.seen.clear()
    absent = [f"absent {number}" for number in range(ATTEMPTS * 2)]
    assert store.read_batch([*absent, "03"]) == [None] * len(absent) + [slots[3]]
    assert len(proxy.seen) == len(absent) + 1


def nothing_processed(request: Request) -> bool:
    request.client.sendall(
        request.answer(200, {"Responses": {}, "UnprocessedKeys": request.body.get("RequestItems", {})})
    )
    return True


def test_keys_that_are_never_processed_end_in_throttled(
    far: App, proxy: FaultProxy, slots: list[Slot], waits: list[float]
) -> None:
    proxy.choose = lambda _: nothing_processed
    with pytest.raises(Throttled):
        far.store(Slot).read_batch(["01", "02"])
    assert (len(proxy.seen), len(waits)) == (ATTEMPTS, ATTEMPTS)


def test_a_search_that_fails_between_two_pages_continues_from_its_cursor(
    far: App, proxy: FaultProxy, slots: list[Slot]
) -> None:
    store = far.store(Slot)
    first = store.search(limit=PAGE)
    proxy.choose = lambda _: throttled
    with pytest.raises(Throttled):
        store.search(limit=PAGE, cursor=first.cursor)
    proxy.choose = lambda _: carried
    rest = store.search(limit=SLOTS, cursor=first.cursor)
    assert sorted(one.id for one in (*first, *rest)) == [one.id for one in slots]


TIMEOUTS = {"direct": (late, dribbling), "boto3": (late,)}
"""botocore applies its timeout to each piece of a response."""


def test_a_read_that_times_out_is_retried_a_bounded_number_of_times(
    near: App, proxy: FaultProxy, slots: list[Slot], kind: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (http, boto3_client):
        monkeypatch.setattr(module, "READ_TIMEOUT", 0.15)
    monkeypatch.setattr(http, "ANSWER_TIMEOUT", 0.15)
    far = app_at(proxy.endpoint, kind, near.stage)
    store = far.store(Slot)

    def staying(fault: Fault) -> None:
        proxy.choose = lambda _: fault
        proxy.seen.clear()
        with pytest.raises(BackendUnavailable):
            store.read("03")
        assert len(proxy.seen) == ATTEMPTS

    for fault in TIMEOUTS[kind]:
        proxy.choose = lambda _: carried
        proxy.faults(fault)
        assert store.read("03") == slots[3]
        staying(fault)
    far.close()
