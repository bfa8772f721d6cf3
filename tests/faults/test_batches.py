"""Batches through faults: each edit is done once or not at all, its result says which, and its failure hides no other result."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest

from persisty import App, BackendUnavailable, Create, Delete, InvalidInput, Throttled, Update, add, append
from persisty.backends.dynamodb.batch_statements import MAX_STATEMENTS
from persisty.backoff import ATTEMPTS

from .items import A, Account, Slot, app_at
from .proxy import AFTER, BEFORE, Fault, FaultProxy, Request, carried, dropped, lost, partly, refusing, throttled
from .verdict import DOUBT, OK, UNAVAILABLE, verdict, verdicts

CERTAIN = ("throttled", "exceeded")


@pytest.fixture
def kind() -> str:
    """Use one transport: the transports differ in single writes only."""
    return "direct"


def accounts_of(near: App) -> list[Account]:
    """Create five accounts for a batch to edit."""
    made = near.store(Account).edit_batch([Create(Account(balance=5)) for _ in range(5)])
    return [one.item for one in made if one.item]


def batch_of(accounts: Sequence[Account]) -> list[Any]:
    """Return one edit of each kind."""
    plain, locked, summed, listed, gone = (one.id for one in accounts)
    return [
        Create(Account(id=uuid4(), owner="new")),
        Update(plain, {"owner": "me"}),
        Update(locked, {"owner": "me"}, when=A.version == 1),
        Update(summed, {"balance": add(2)}),
        Update(listed, {"log": append("x")}),
        Delete(gone),
    ]


def contents(near: App, accounts: Sequence[Account], batch: Sequence[Any]) -> list[bool]:
    """Return for each edit whether it was done. No edit is done twice."""
    plain, locked, summed, listed, gone = near.store(Account).read_batch([one.id for one in accounts])
    made = near.store(Account).read(batch[0].item.id)
    assert summed.balance in (5, 7)
    assert listed.log in ([], ["x"])
    return [
        made is not None, plain.owner == "me", locked.owner == "me", summed.balance == 7, listed.log == ["x"], gone is None,
    ]  # fmt: skip


def test_a_batch_whose_response_is_lost_is_done_once(far: App, near: App, proxy: FaultProxy) -> None:
    """Results that the items reveal are reported as if nothing had happened. No item reveals a delete."""
    for fault in AFTER.values():
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.faults(fault)
        outcomes = verdicts(far.store(Account).edit_batch(batch))
        assert contents(near, accounts, batch) == [True] * 6
        assert outcomes == [OK] * 5 + [DOUBT]
        assert proxy.seen[0] == "BatchExecuteStatement"


def test_a_batch_that_did_not_arrive_is_done_except_edits_that_cannot_be_sent_twice(
    far: App, near: App, proxy: FaultProxy
) -> None:
    for name, fault in BEFORE.items():
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.faults(fault)
        outcomes = verdicts(far.store(Account).edit_batch(batch))
        unsure = name not in CERTAIN
        assert outcomes == [OK, OK, OK, DOUBT if unsure else OK, DOUBT if unsure else OK, OK]
        assert contents(near, accounts, batch) == [True, True, True, not unsure, not unsure, True]


def test_edits_that_another_writer_could_have_made_are_in_doubt(far: App, near: App, proxy: FaultProxy) -> None:
    first, second = (near.store(Slot).create(Slot(id=uuid4().hex)) for _ in range(2))
    new = Slot(id=uuid4().hex)
    proxy.faults(lost)
    outcomes = far.store(Slot).edit_batch(
        [Create(new), Update(first.id, {"owner": "me"}), Update(second.id, {"count": add(1)})]
    )
    assert verdicts(outcomes) == [DOUBT, OK, DOUBT]
    assert near.store(Slot).read_batch([new.id, first.id, second.id]) == [
        new, Slot(id=first.id, owner="me"), Slot(id=second.id, count=1),
    ]  # fmt: skip


def statements_failing(code: str, *, done: bool) -> Fault:
    """Return a fault that fails every statement but the first with `code`. With `done`, the statements are executed first."""

    def fail(request: Request) -> bool:
        statements = request.body["Statements"]
        status, raw = request.forward({"Statements": statements if done else statements[:1]})
        answer = json.loads(raw)
        error = {"Error": {"Code": code, "Message": "scripted"}}
        answer["Responses"] = answer["Responses"][:1] + [error] * (len(statements) - 1)
        request.client.sendall(request.answer(status, answer))
        return True

    return fail


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"])
def test_throttled_statements_are_sent_again_as_single_writes(
    far: App, near: App, proxy: FaultProxy, code: str
) -> None:
    for fault in (partly, statements_failing(code, done=False)):
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.faults(fault)
        assert verdicts(far.store(Account).edit_batch(batch)) == [OK] * 6
        assert contents(near, accounts, batch) == [True] * 6


def test_statements_with_an_internal_error_are_not_done_twice(far: App, near: App, proxy: FaultProxy) -> None:
    for done in (True, False):
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.faults(statements_failing("InternalServerError", done=done))
        outcomes = verdicts(far.store(Account).edit_batch(batch))
        assert contents(near, accounts, batch) == [True, True, True, done, done, True]
        assert outcomes == [OK, OK, OK, *[OK if done else DOUBT] * 2, DOUBT if done else OK]


def test_the_throttled_part_of_a_batch_does_not_hide_the_other_results(
    far: App, near: App, proxy: FaultProxy, waits: list[float]
) -> None:
    size = MAX_STATEMENTS * 2 + 5
    slots = [Slot(id=uuid4().hex) for _ in range(size)]
    first = {slot.id for slot in slots[:MAX_STATEMENTS]}
    proxy.choose = lambda request: carried if any(key in request.raw.decode() for key in first) else throttled
    results = far.store(Slot).edit_batch([Create(slot) for slot in slots])
    assert verdicts(results) == [OK] * MAX_STATEMENTS + [UNAVAILABLE] * (size - MAX_STATEMENTS)
    assert all(isinstance(one.error, Throttled) for one in results[MAX_STATEMENTS:])
    found = near.store(Slot).read_batch([slot.id for slot in slots])
    assert [one is not None for one in found] == [one.error is None for one in results]
    assert len(proxy.seen) <= 1 + 2 * ATTEMPTS


def test_a_batch_without_a_successful_edit_raises(far: App, near: App, proxy: FaultProxy) -> None:
    slots = [Slot(id=uuid4().hex) for _ in range(MAX_STATEMENTS * 2)]
    proxy.choose = lambda _: throttled
    with pytest.raises(Throttled):
        far.store(Slot).edit_batch([Create(slot) for slot in slots])
    assert near.store(Slot).read_batch([slot.id for slot in slots]) == [None] * len(slots)


def test_every_edit_of_a_batch_without_any_response_is_in_doubt(far: App, near: App, proxy: FaultProxy) -> None:
    slots = [Slot(id=uuid4().hex) for _ in range(5)]
    for fault, there in ((dropped, False), (lost, True)):
        proxy.choose = lambda _, fault=fault: fault
        assert verdicts(far.store(Slot).edit_batch([Create(slot) for slot in slots])) == [DOUBT] * 5
        found = near.store(Slot).read_batch([slot.id for slot in slots])
        assert [one is not None for one in found] == [there] * 5
        assert len(proxy.seen) <= 1 + ATTEMPTS  # the failed engine is not called again for each edit
        proxy.seen.clear()


def test_single_writes_instead_of_statements_are_done_once(
    near: App, proxy: FaultProxy, kind: str, waits: list[float]
) -> None:
    far = app_at(proxy.endpoint, kind, near.stage, partiql=False)
    for fault in AFTER.values():
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        seen: set[bytes] = set()

        def first(request: Request, fault: Fault = fault, seen: set[bytes] = seen) -> Fault:
            new = request.operation != "GetItem" and request.raw not in seen
            seen.add(request.raw)
            return fault if new else carried

        proxy.choose = first  # the first attempt of each write
        assert verdicts(far.store(Account).edit_batch(batch)) == [OK] * 5 + [DOUBT]
        proxy.choose = lambda _: carried
        assert contents(near, accounts, batch) == [True] * 6
    far.close()


def test_a_value_that_the_engine_rejects_is_a_fault_of_its_edit(far: App, near: App) -> None:
    """Only the engine detects a list that grows too large. The other edit is done."""
    full, fine = (near.store(Account).create(Account(log=["x" * 390_000])) for _ in range(2))
    large = Update(full.id, {"log": append("y" * 20_000)})
    results = far.store(Account).edit_batch([Update(fine.id, {"owner": "me"}), large])
    assert verdicts(results) == [OK, "invalid_input"]
    assert [fault.path for fault in results[1].error.faults] == ["/edits/1/changes"]
    with pytest.raises(InvalidInput) as caught:
        far.store(Account).edit_batch([large, Update(fine.id, {"log": append("z" * 20_000)})])
    assert [fault.path for fault in caught.value.faults] == ["/edits/0/changes"]


def test_a_role_that_may_not_send_statements_uses_single_writes(far: App, near: App, proxy: FaultProxy) -> None:
    accounts = accounts_of(near)
    batch = batch_of(accounts)
    proxy.faults(refusing("AccessDeniedException"))
    assert verdicts(far.store(Account).edit_batch(batch)) == [OK] * 6
    assert contents(near, accounts, batch) == [True] * 6


def atomic(far: App, batch: Sequence[Any]) -> Callable[[], list[str]]:
    return lambda: verdicts(far.store(Account).edit_batch(batch, atomic=True))


def test_an_atomic_batch_is_done_once_after_any_fault(far: App, near: App, proxy: FaultProxy) -> None:
    """DynamoDB recognizes a repeated transaction by its token."""
    for fault in (AFTER | BEFORE).values():
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.faults(fault)
        assert atomic(far, batch)() == [OK] * 6
        assert contents(near, accounts, batch) == [True] * 6
        tokens = [one.body["ClientRequestToken"] for one in proxy.requests if one.operation == "TransactWriteItems"]
        assert len(tokens) == 2
        assert len(set(tokens)) == 1


def test_an_atomic_batch_that_is_refused_after_a_lost_response_is_refused(
    far: App, near: App, proxy: FaultProxy
) -> None:
    accounts = accounts_of(near)
    batch = [*batch_of(accounts), Create(Account(id=near.store(Account).create(Account()).id))]
    proxy.faults(lost)
    assert atomic(far, batch)() == ["aborted"] * 6 + ["conflict"]
    assert contents(near, accounts, batch) == [False] * 6


def test_an_atomic_batch_in_doubt_is_all_or_nothing(far: App, near: App, proxy: FaultProxy) -> None:
    for fault, there in ((lost, True), (dropped, False)):
        accounts = accounts_of(near)
        batch = batch_of(accounts)
        proxy.choose = lambda _, fault=fault: fault
        with pytest.raises(BackendUnavailable) as caught:
            atomic(far, batch)()
        assert caught.value.details["in_doubt"]
        assert contents(near, accounts, batch) == [there] * 6
    accounts = accounts_of(near)
    proxy.choose = lambda _: throttled
    assert verdict(atomic(far, batch_of(accounts))) == UNAVAILABLE


def test_an_atomic_batch_whose_items_cannot_be_read_afterwards_is_in_doubt(
    far: App, near: App, proxy: FaultProxy
) -> None:
    accounts = accounts_of(near)
    batch = batch_of(accounts)
    proxy.faults(carried, *[throttled] * ATTEMPTS)
    with pytest.raises(Throttled) as caught:
        atomic(far, batch)()
    assert caught.value.details["in_doubt"]
    assert contents(near, accounts, batch) == [True] * 6
