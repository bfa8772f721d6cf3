"""Unique values and atomic batches: the actions of a transaction, and the meaning of its cancellation."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import VERSION, Attr, Unique, meta_of, stored
from persisty.backends.dynamodb import key_reads as keyed
from persisty.backends.dynamodb import transactions
from persisty.backends.dynamodb.backend import DynamoDbBackend
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.guard_rows import Guards
from persisty.backends.dynamodb.transport import AwsError
from persisty.backoff import ATTEMPTS
from persisty.errors import BatchTooLarge, Throttled
from persisty.model.generators import Add
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Delete, Outcome, Patch, Put, Requirement, WriteResult

from .test_backend import Answer, Script


@stored(indexes=[Unique("email"), Unique("team", "seat")])
class Member:
    id: str
    email: str | None = None
    team: str | None = None
    seat: int | None = None
    note: str = ""
    version: int = Attr(generator=VERSION)


@stored(indexes=[Unique("email")])
class Plain:
    id: str
    email: str | None = None
    note: str = ""


MEMBER, PLAIN = meta_of(Member), meta_of(Plain)
WIRE = WireCodec(MEMBER)
EMAIL = "unique/member/unique-email/S"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    for module in (keyed, transactions):
        monkeypatch.setattr(module, "sleep", waits.append)
    return waits


def member(key: str = "1", **values: Any) -> Any:
    return Member(**{"id": key, "version": 1, **values})


def over(*answers: Answer, meta: Any = MEMBER) -> tuple[DynamoDbBackend[Any], Script]:
    script = Script(*answers)
    return DynamoDbBackend(meta, lambda _: "members", "app.system", script), script


def got(item: Any) -> dict[str, Any]:
    return {"Item": WIRE.wire(item)}


def canceled(*reasons: str | tuple[str, dict[str, Any]]) -> AwsError:
    body = [{"Code": one} if isinstance(one, str) else {"Code": one[0], "Item": one[1]} for one in reasons]
    return AwsError("TransactionCanceledException", "", {"CancellationReasons": body})


NONE, FAILED = "None", "ConditionalCheckFailed"


def actions(script: Script) -> list[tuple[str, str]]:
    """Return (action, guard or item) of the last transaction."""
    operation, payload = script.calls[-1]
    assert operation == "TransactWriteItems"
    found = []
    for action in payload["TransactItems"]:
        [(kind, members)] = action.items()
        key = members.get("Key") or members["Item"]
        found.append((kind, key["id"]["S"]))
    return found


def test_guards_are_of_values_that_are_not_null() -> None:
    guards = Guards(MEMBER, WIRE)
    assert guards.of(member(team="a")) == {}
    assert guards.of(member(email="a/b", team="a", seat=3)) == {
        EMAIL + "a%2Fb": "unique-email",
        "unique/member/unique-team-seat/Sa/N3": "unique-team-seat",
    }
    long = guards.of(member(email="x" * 2000))
    [one] = long
    assert len(one) < 200
    assert one != next(iter(guards.of(member(email="x" * 2001))))


def test_a_create_takes_its_values_in_one_request() -> None:
    backend, script = over({})
    item = member(email="a", team="t", seat=1)
    assert backend.write([Put(item)], atomic=False) == [WriteResult(Outcome.DONE, item)]
    assert [kind for kind, _ in actions(script)] == ["Put", "Put", "Put"]
    guard = script.calls[0][1]["TransactItems"][1]["Put"]
    assert (guard["TableName"], guard["ConditionExpression"]) == ("app.system", "attribute_not_exists(#id)")
    assert guard["Item"]["holder"] == {"S": "1"}


def test_without_values_a_create_is_a_plain_write() -> None:
    backend, script = over({})
    backend.write([Put(member())], atomic=False)
    assert script.operations == ["PutItem"]


def test_an_update_of_other_attributes_is_a_plain_write() -> None:
    backend, script = over({"Attributes": WIRE.wire(member(note="new"))})
    backend.write([Patch(("1",), {"note": "new"})], atomic=False)
    assert script.operations == ["UpdateItem"]


@pytest.mark.parametrize(
    ("reasons", "result"),
    [
        ((FAILED, NONE), WriteResult(Outcome.EXISTS)),
        ((NONE, FAILED), WriteResult(Outcome.EXISTS, index="unique-email")),
        ((FAILED, FAILED), WriteResult(Outcome.EXISTS)),
    ],
)
def test_a_taken_value_is_a_conflict(reasons: tuple[str, ...], result: WriteResult) -> None:
    backend, _ = over(canceled(*reasons))
    assert backend.write([Put(member(email="a"))], atomic=False) == [result]


def test_an_update_moves_the_guard_and_identifies_the_new_item_by_its_version() -> None:
    backend, script = over(got(member(email="a", note="n", version=4)), {})
    [result] = backend.write([Patch(("1",), {"email": "b", "version": Add(1)})], atomic=False)
    assert result == WriteResult(Outcome.DONE, member(email="b", note="n", version=5))
    assert script.operations == ["GetItem", "TransactWriteItems"]
    assert sorted(actions(script)) == [("Delete", EMAIL + "a"), ("Put", EMAIL + "b"), ("Update", "1")]
    update = script.calls[-1][1]["TransactItems"][0]["Update"]
    assert {"S": "a"} in update["ExpressionAttributeValues"].values()  # it must be unchanged since it was read
    assert {"N": "4"} in update["ExpressionAttributeValues"].values()


def test_without_a_version_the_new_item_is_read() -> None:
    wire = WireCodec(PLAIN).wire
    backend, script = over(
        {"Item": wire(Plain(id="1", email="a"))}, {}, {"Item": wire(Plain(id="1", email="b", note="x"))}, meta=PLAIN
    )
    [result] = backend.write([Patch(("1",), {"email": "b"})], atomic=False)
    assert result.item == Plain(id="1", email="b", note="x")
    assert script.operations == ["GetItem", "TransactWriteItems", "GetItem"]


def test_a_write_of_an_item_that_changed_since_it_was_read_is_retried(slept: list[float]) -> None:
    now = member(email="c", version=9)
    backend, script = over(got(member(email="a")), canceled((FAILED, WIRE.wire(now)), NONE, NONE), {})
    [result] = backend.write([Patch(("1",), {"email": "b"})], atomic=False)
    assert result.item == member(email="b", version=9)
    assert ("Delete", EMAIL + "c") in actions(script)
    assert script.operations == ["GetItem", "TransactWriteItems", "TransactWriteItems"]
    assert len(slept) == 1


def test_a_failed_condition_is_returned_with_the_item() -> None:
    when = resolve_filter(MEMBER, Member.note == "x")
    backend, script = over(got(member(email="a")))
    assert backend.write([Patch(("1",), {"email": "b"}, when)], atomic=False) == [
        WriteResult(Outcome.FAILED, member(email="a"))
    ]
    assert script.operations == ["GetItem"]
    former = member(email="a", note="y", version=2)
    backend, _ = over(got(member(email="a", note="x")), canceled((FAILED, WIRE.wire(former)), NONE))
    assert backend.write([Delete(("1",), when)], atomic=False) == [WriteResult(Outcome.FAILED, former)]
    backend, _ = over(got(member(email="a", note="x")), canceled(FAILED, NONE))
    assert backend.write([Delete(("1",), when)], atomic=False) == [WriteResult(Outcome.MISSING)]
    backend, _ = over({})
    assert backend.write([Delete(("1",))], atomic=False) == [WriteResult(Outcome.MISSING)]


def test_a_unique_value_moves_to_another_item_within_an_atomic_batch_in_one_action() -> None:
    backend, script = over(got(member("1", email="a")), {})
    results = backend.write([Delete(("1",)), Put(member("2", email="a"))], atomic=True)
    assert [one.outcome for one in results] == [Outcome.DONE] * 2
    assert sorted(actions(script)) == [("Delete", "1"), ("Put", "2"), ("Put", EMAIL + "a")]
    guard = next(
        one["Put"]
        for one in script.calls[-1][1]["TransactItems"]
        if one.get("Put", {}).get("TableName") == "app.system"
    )
    assert guard["ConditionExpression"] == "#holder = :before"
    assert guard["ExpressionAttributeValues"] == {":before": {"S": "1"}}


def test_a_value_is_not_taken_before_it_is_released_nor_twice() -> None:
    taken = WriteResult(Outcome.EXISTS, index="unique-email")
    aborted = WriteResult(Outcome.ABORTED)
    backend, script = over(got(member("1", email="a")), canceled(NONE, FAILED, NONE))
    assert backend.write([Put(member("2", email="a")), Delete(("1",))], atomic=True) == [taken, aborted]
    assert sorted(actions(script)) == [("Delete", "1"), ("Put", "2"), ("Put", EMAIL + "a")]
    two = [Put(member("2", email="a")), Put(member("3", email="a"))]
    backend, script = over(canceled(NONE, NONE, NONE, FAILED))
    assert backend.write(two, atomic=True) == [aborted, taken]
    assert sorted(actions(script)) == [
        ("Delete", "never/1/unique-email"), ("Put", "2"), ("Put", "3"), ("Put", EMAIL + "a"),
    ]  # fmt: skip
    backend, script = over(canceled((FAILED, WIRE.wire(member("2"))), NONE, NONE, FAILED))
    assert backend.write(two, atomic=True) == [WriteResult(Outcome.EXISTS), aborted], (
        "the value was free for the second"
    )


def test_guards_count_among_the_actions_of_a_transaction() -> None:
    backend, script = over({})
    backend.write([Put(member(str(number), email=str(number))) for number in range(50)], atomic=True)
    assert len(actions(script)) == 100
    backend, script = over()
    with pytest.raises(BatchTooLarge):
        backend.write([Put(member(str(number), email=str(number))) for number in range(51)], atomic=True)
    assert script.operations == []


def test_an_item_that_writes_require_counts_among_the_actions_of_a_transaction() -> None:
    backend, script = over()
    required = Requirement("id", MEMBER, ("there",))
    with pytest.raises(BatchTooLarge):
        backend.write([Put(member(str(number), email=str(number)), (required,)) for number in range(50)], atomic=True)
    assert script.operations == []


def test_a_transaction_with_repeated_conflicts_raises_a_typed_error(slept: list[float]) -> None:
    backend, script = over(*[canceled("TransactionConflict", NONE)] * ATTEMPTS)
    with pytest.raises(Throttled):
        backend.write([Put(member(email="a"))], atomic=False)
    assert (len(script.calls), len(slept)) == (ATTEMPTS, ATTEMPTS)


def test_writes_of_unique_values_in_a_batch_keep_their_order() -> None:
    backend, script = over({}, got(member("1", email="a")), {}, {})
    writes = [Delete(("1",)), Put(member("2", email="a")), Put(member("3"))]
    assert [one.outcome for one in backend.write(writes, atomic=False)] == [Outcome.DONE] * 3
    assert [one for one in script.operations if one != "PutItem"] == [
        "GetItem",
        "TransactWriteItems",
        "TransactWriteItems",
    ]
