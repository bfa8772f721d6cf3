"""`update_all` and `delete_all` through faults: the error counts the changed items, and its cursor continues with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from persisty import App, BackendUnavailable, BulkResult, Create, PersistyError, Store, Throttled, add
from persisty.backends.dynamodb import writes

from .items import A, Account, S, Slot, prepared_at
from .proxy import AFTER, BEFORE, FaultProxy, Request, carried, dropped, lost, throttled

ITEMS, CHUNK = 11, 4
FAULTS = {
    name: fault for name, fault in (BEFORE | AFTER).items() if name in ("dropped", "throttled", "lost", "cut in body")
}
"""One fault of each kind. Each is tried at every request of a long call."""


@pytest.fixture(scope="module")
def near(local_endpoint: str) -> Iterator[App]:
    """Yield an app whose tables are empty."""
    with prepared_at(local_endpoint) as app:
        yield app


@pytest.fixture
def kind() -> str:
    """Use one transport: the transports differ in single writes only."""
    return "direct"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "CHUNK", CHUNK)


def filled(near: App, item: type[Any]) -> str:
    """Create items with a new owner, and return the owner."""
    owner = uuid4().hex
    made = [
        item(id=uuid4(), owner=owner) if item is Account else item(id=uuid4().hex, owner=owner) for _ in range(ITEMS)
    ]
    assert {one.code for one in near.store(item).edit_batch(list(map(Create, made)))} == {"ok"}
    return owner


def requests_of(proxy: FaultProxy, call: Callable[[], Any]) -> int:
    proxy.faults()
    call()
    return len(proxy.seen)


def test_a_plain_change_through_any_fault_reaches_every_item(far: App, near: App, proxy: FaultProxy) -> None:
    accounts = far.store(Account)
    accounts.count()

    def change(owner: str, new: str, cursor: str | None = None) -> BulkResult:
        return accounts.update_all({"owner": new}, A.owner == owner, cursor=cursor)

    requests = requests_of(proxy, lambda: change(filled(near, Account), uuid4().hex))
    assert requests >= 6
    for name, fault in FAULTS.items():
        for position in range(requests):
            owner, new = filled(near, Account), uuid4().hex
            proxy.faults(*[carried] * position, fault)
            assert change(owner, new).changed == ITEMS, (name, position)
            assert near.store(Account).count(A.owner == new) == ITEMS
    near.store(Account).delete_all()


def test_a_deletion_through_any_fault_reaches_every_item(far: App, near: App, proxy: FaultProxy) -> None:
    slots = far.store(Slot)
    slots.count()
    requests = requests_of(proxy, lambda: slots.delete_all(S.owner == filled(near, Slot)))
    for name, fault in FAULTS.items():
        for position in range(requests):
            owner = filled(near, Slot)
            proxy.faults(*[carried] * position, fault)
            assert slots.delete_all(S.owner == owner).changed == ITEMS, (name, position)
            assert near.store(Slot).count(S.owner == owner) == 0


def test_a_bulk_update_in_doubt_continues_from_its_cursor(far: App, near: App, proxy: FaultProxy) -> None:
    """The change makes its own filter false, so items that are changed already do not match again."""
    slots = far.store(Slot)
    owner, new = filled(near, Slot), uuid4().hex
    proxy.choose = _losing("BatchExecuteStatement", 2)

    def change(cursor: str | None) -> BulkResult:
        return slots.update_all({"owner": new}, S.owner == owner, cursor=cursor)

    with pytest.raises(BackendUnavailable) as caught:
        change(None)
    assert caught.value.details["in_doubt"]
    assert caught.value.details["changed"] == CHUNK
    proxy.choose = lambda _: carried
    change(caught.value.details["cursor"])
    assert near.store(Slot).count(S.owner == new) == ITEMS


def _losing(operation: str, turn: int) -> Callable[[Request], Any]:
    """Return a choice that loses the response to one request of an operation."""
    seen = 0

    def choose(request: Request) -> Any:
        nonlocal seen
        seen += request.operation == operation
        return lost if request.operation == operation and seen == turn else carried

    return choose


@pytest.mark.parametrize("item", [Account, Slot])
def test_an_addition_is_never_made_twice(far: App, near: App, proxy: FaultProxy, item: type[Any]) -> None:
    store: Store[Any] = far.store(item)
    name = "balance" if item is Account else "count"
    for turn in (1, 2, 3):
        owner = filled(near, item)
        proxy.choose = _losing("BatchExecuteStatement", turn)
        try:
            changed, doubt = store.update_all({name: add(1)}, item.owner == owner).changed, False
        except BackendUnavailable as error:
            changed, doubt = error.details["changed"], error.details["in_doubt"]
        sums = [getattr(one, name) for one in near.store(item).search_all(item.owner == owner)]
        assert set(sums) <= {0, 1}
        assert doubt is (item is Slot)
        assert changed == ITEMS if item is Account else changed == (turn - 1) * CHUNK < sum(sums)
    near.store(item).delete_all()


@pytest.mark.parametrize("fault", [throttled, dropped])
def test_a_bulk_update_that_fails_midway_returns_a_cursor(far: App, near: App, proxy: FaultProxy, fault: Any) -> None:
    owner, new = filled(near, Account), uuid4().hex
    proxy.choose = _failing_after(4, fault)

    def change(cursor: str | None) -> BulkResult:
        return far.store(Account).update_all({"owner": new}, A.owner == owner, cursor=cursor)

    with pytest.raises(PersistyError) as caught:
        change(None)
    assert isinstance(caught.value, Throttled if fault is throttled else BackendUnavailable)
    there = near.store(Account).count(A.owner == new)
    assert caught.value.details["changed"] == there == CHUNK
    proxy.choose = lambda _: carried
    rest = change(caught.value.details["cursor"]).changed
    assert there + rest == ITEMS
    assert near.store(Account).count(A.owner == new) == ITEMS
    near.store(Account).delete_all()


def _failing_after(requests: int, fault: Any) -> Callable[[Request], Any]:
    seen = 0

    def choose(request: Request) -> Any:
        nonlocal seen
        seen += request.operation != "DescribeTable"
        return carried if seen <= requests else fault

    return choose
