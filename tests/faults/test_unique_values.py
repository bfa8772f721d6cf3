"""Unique values and sequences through faults: their rows are written and removed together with the item."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from persisty import App, BackendUnavailable, Conflict, Create, Delete, Throttled, Update
from persisty.backoff import ATTEMPTS

from .items import Member, Ticket
from .proxy import AFTER, BEFORE, FaultProxy, carried, dropped, lost, refusing, throttled
from .verdict import DOUBT, OK, UNAVAILABLE, verdict, verdicts

FAULTS = BEFORE | AFTER


@pytest.fixture
def kind() -> str:
    """Use one transport: the transports differ in single writes only."""
    return "direct"


def a_name() -> str:
    return uuid4().hex


def assert_free(near: App, *names: str) -> None:
    """Assert that these names are free: another member can take them."""
    for name in names:
        near.store(Member).create(Member(name=name))


def assert_taken(near: App, *names: str) -> None:
    for name in names:
        with pytest.raises(Conflict):
            near.store(Member).create(Member(name=name))


def test_creating_renaming_and_deleting_is_done_once_after_any_fault(far: App, near: App, proxy: FaultProxy) -> None:
    members = far.store(Member)
    for label, fault in FAULTS.items():
        old, new = a_name(), a_name()
        proxy.faults(fault)
        made = members.create(Member(name=old))
        assert_taken(near, old)
        for position in range(2):  # the read before the transaction, and the transaction
            proxy.faults(*[carried] * position, fault)
            renamed = members.update(made.id, {"name": new, "points": position})
            assert renamed == Member(id=made.id, name=new, points=position), label
        assert_taken(near, new)
        assert_free(near, old)
        proxy.faults(carried, fault)
        assert members.delete(made.id) is True
        assert near.store(Member).read(made.id) is None
        assert_free(near, new)


def test_a_value_that_is_taken_is_a_conflict_after_any_fault(far: App, near: App, proxy: FaultProxy) -> None:
    taken = near.store(Member).create(Member(name=a_name()))
    for fault in FAULTS.values():
        proxy.faults(fault)
        with pytest.raises(Conflict) as caught:
            far.store(Member).create(Member(name=taken.name))
        assert caught.value.details["attributes"] == ["name"]


def test_concurrent_transactions_are_retried(far: App, proxy: FaultProxy) -> None:
    proxy.faults(refusing("TransactionInProgressException"))
    assert verdict(lambda: far.store(Member).create(Member(name=a_name()))) == OK
    proxy.choose = lambda _: refusing("TransactionInProgressException")
    with pytest.raises(Throttled):
        far.store(Member).create(Member(name=a_name()))


def test_a_permanent_fault_is_a_typed_error_and_leaves_all_or_nothing(far: App, near: App, proxy: FaultProxy) -> None:
    for fault, expected, there in ((lost, DOUBT, True), (dropped, DOUBT, False), (throttled, UNAVAILABLE, False)):
        name, key = a_name(), uuid4()
        proxy.seen.clear()
        proxy.choose = lambda _, fault=fault: fault
        assert verdict(lambda: far.store(Member).create(Member(id=key, name=name))) == expected  # noqa: B023
        assert proxy.seen == ["TransactWriteItems"] * ATTEMPTS
        assert (near.store(Member).read(key) is not None) is there
        (assert_taken if there else assert_free)(near, name)


def test_a_batch_of_unique_items_is_done_once(far: App, near: App, proxy: FaultProxy) -> None:
    for fault in FAULTS.values():
        first, second = (near.store(Member).create(Member(name=a_name())) for _ in range(2))
        moved, new = first.name, a_name()
        batch: list[Any] = [Delete(first.id), Update(second.id, {"name": moved}), Create(Member(name=new))]
        for atomic in (False, True):
            proxy.faults(carried, fault)
            if atomic:
                batch = [Update(second.id, {"name": first.name}), Create(Member(name=a_name()))]
            assert verdicts(far.store(Member).edit_batch(batch, atomic=atomic)) == [OK] * len(batch)
        assert_taken(near, moved, new)
        assert_free(near, second.name)


def test_sequence_numbers_are_assigned_once_after_any_fault(far: App, near: App, proxy: FaultProxy) -> None:
    tickets = far.store(Ticket)
    before = {one.number for one in near.store(Ticket).search_all()}
    made: list[int] = []
    for fault in FAULTS.values():
        proxy.faults(fault)
        made.append(tickets.create(Ticket()).number)
        proxy.faults(fault)
        made += [one.item.number for one in tickets.edit_batch([Create(Ticket()), Create(Ticket())]) if one.item]
    assert len(made) == len(set(made)) == 3 * len(FAULTS)
    assert made == sorted(made)
    assert {one.number for one in near.store(Ticket).search_all()} == before | set(made)


def test_a_create_without_its_sequence_number_is_not_in_doubt(far: App, near: App, proxy: FaultProxy) -> None:
    """Only the sequence was written, which may have a gap."""
    count = near.store(Ticket).count()
    proxy.choose = lambda request: lost if request.operation == "UpdateItem" else carried
    with pytest.raises(BackendUnavailable) as caught:
        far.store(Ticket).create(Ticket())
    assert "in_doubt" not in caught.value.details
    assert near.store(Ticket).count() == count
