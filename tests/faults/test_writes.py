"""Single writes through faults: each is done once or not at all, and succeeds if its effect can be observed."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from persisty import App, BackendUnavailable, Conflict, PreconditionFailed, Throttled, add
from persisty.aws import http_connections as http
from persisty.backends.dynamodb import boto3_transport as boto3_client
from persisty.backoff import ATTEMPTS
from persisty.model.generators import now
from persisty.store import in_doubt_writes as doubt

from .cases import WRITES, prepared, stored
from .items import A, Account, S, Slot, app_at
from .proxy import AFTER, BEFORE, FaultProxy, carried, failed_after, late, lost, refusing, throttled, unavailable
from .verdict import DOUBT, OK, UNAVAILABLE, verdict

CERTAIN = ("throttled", "exceeded")
"""Faults after which the write certainly had no effect."""


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_response_is_lost_is_done_once(far: App, near: App, proxy: FaultProxy, name: str) -> None:
    case = WRITES[name]
    store = far.store(case.item)
    for fault in AFTER.values():
        key = prepared(near, case)
        proxy.faults(*[carried] * case.reads, fault)
        assert (verdict(lambda: case.call(store, key)), fault) == (case.answer, fault)  # noqa: B023
        assert stored(near, case, key) == case.after
        assert sum(one in ("PutItem", "UpdateItem", "DeleteItem") for one in proxy.seen) == case.sent


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_did_not_arrive_is_done_or_in_doubt(far: App, near: App, proxy: FaultProxy, name: str) -> None:
    case = WRITES[name]
    store = far.store(case.item)
    for fault_name, fault in BEFORE.items():
        key = prepared(near, case)
        proxy.faults(*[carried] * case.reads, fault)
        expected = OK if fault_name in CERTAIN else case.otherwise
        assert (verdict(lambda: case.call(store, key)), fault_name) == (expected, fault_name)  # noqa: B023
        assert stored(near, case, key) == (case.after if expected == OK else case.before)


@pytest.mark.parametrize("name", WRITES)
def test_a_permanent_fault_is_a_typed_error_that_says_whether_the_write_is_in_doubt(
    far: App, near: App, proxy: FaultProxy, name: str
) -> None:
    case = WRITES[name]
    for fault, expected in ((throttled, UNAVAILABLE), (lost, DOUBT), (failed_after, DOUBT)):
        key = prepared(near, case)
        proxy.seen.clear()
        proxy.choose = lambda request, fault=fault: (
            carried if request.operation in ("GetItem", "DescribeTable") else fault
        )
        # sent once, and the item shows the effect
        found = fault is not throttled and case.answer == OK and case.sent == 1
        assert verdict(lambda: case.call(far.store(case.item), key)) == (OK if found else expected)  # noqa: B023
        proxy.choose = lambda _: carried
        assert stored(near, case, key) == (case.before if fault is throttled else case.after)
        sent = [one for one in proxy.seen if one != "GetItem"]
        assert len(sent) == (ATTEMPTS if fault is throttled or case.sent > 1 else 1)


def test_the_type_of_the_error_says_the_kind_of_fault(far: App, proxy: FaultProxy) -> None:
    for fault, kind in ((throttled, Throttled), (unavailable, BackendUnavailable), (lost, BackendUnavailable)):
        proxy.choose = lambda _, fault=fault: fault
        with pytest.raises(kind):
            far.store(Account).create(Account())


def test_a_refusal_because_of_another_writers_item_is_not_in_doubt(
    far: App, near: App, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer created or last changed the item, so the refusal is final although the first response was lost."""
    other = near.store(Account).create(Account(owner="other"))
    accounts = far.store(Account)
    proxy.faults(lost)
    with pytest.raises(Conflict):
        accounts.create(Account(id=other.id, owner="me"))
    monkeypatch.setattr(doubt, "now", lambda: now() + timedelta(hours=1))
    for call in (
        lambda: accounts.update(other.id, {"owner": "me"}, when=A.owner == "me"),
        lambda: accounts.delete(other.id, when=A.owner == "me"),
    ):
        proxy.faults(lost)
        with pytest.raises(PreconditionFailed) as refused:
            call()
        assert refused.value.item == other
    assert near.store(Account).read(other.id) == other


def test_a_refusal_that_the_call_itself_could_have_caused_is_in_doubt(far: App, near: App, proxy: FaultProxy) -> None:
    """The item does not show which writer changed it, so the first attempt may have caused the refusal."""
    other = near.store(Slot).create(Slot(id=uuid4().hex, owner="other"))
    proxy.faults(lost)
    assert verdict(lambda: far.store(Slot).create(Slot(id=other.id, owner="other"))) == DOUBT
    proxy.faults(lost)
    assert verdict(lambda: far.store(Slot).update(other.id, {"owner": "me"}, when=S.owner == "me")) == DOUBT
    assert near.store(Slot).read(other.id) == other
    for call in (lambda: far.store(Slot).update("absent", {"owner": "me"}), lambda: far.store(Slot).delete("absent")):
        proxy.faults(lost)
        assert verdict(call) == DOUBT


@pytest.mark.parametrize("then", ["AccessDeniedException", "ExpiredTokenException", "ResourceNotFoundException"])
def test_an_unrelated_refusal_after_a_lost_response_leaves_the_write_in_doubt(
    far: App, near: App, proxy: FaultProxy, then: str
) -> None:
    accounts = far.store(Account)
    made = near.store(Account).create(Account())
    for call in (
        lambda: accounts.create(Account()),
        lambda: accounts.update(made.id, {"owner": "me"}),
        lambda: accounts.delete(made.id),
    ):
        proxy.faults(refusing(then))
        assert verdict(call) == ("schema_mismatch" if then == "ResourceNotFoundException" else UNAVAILABLE)
        proxy.faults(lost, refusing(then))
        assert verdict(call) == DOUBT


def test_an_addition_in_doubt_stays_in_doubt_if_the_item_cannot_be_read(far: App, near: App, proxy: FaultProxy) -> None:
    made = near.store(Account).create(Account())
    proxy.faults(lost, *[throttled] * ATTEMPTS)
    assert verdict(lambda: far.store(Account).update(made.id, {"balance": add(1)})) == DOUBT
    assert proxy.seen == ["UpdateItem", *["GetItem"] * ATTEMPTS]
    stored = near.store(Account).read(made.id)
    assert stored is not None
    assert stored.balance == 1


def test_a_write_whose_response_times_out_is_done_once(
    near: App, proxy: FaultProxy, kind: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (http, boto3_client):
        monkeypatch.setattr(module, "READ_TIMEOUT", 0.15)
    far = app_at(proxy.endpoint, kind, near.stage)
    for name in ("create", "update with an optimistic lock", "add", "add without a timestamp", "delete"):
        case = WRITES[name]
        key = prepared(near, case)
        proxy.faults(late)
        assert verdict(lambda: case.call(far.store(case.item), key)) == case.answer  # noqa: B023
        assert stored(near, case, key) == case.after
    far.close()
