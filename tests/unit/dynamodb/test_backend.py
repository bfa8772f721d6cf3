"""The backend with a scripted transport: which requests it sends, how many, and the result of each response."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from persisty.backends.dynamodb import key_reads as keyed
from persisty.backends.dynamodb import transactions, writes
from persisty.backends.dynamodb.backend import DynamoDbBackend, Options
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.transport import JSON, AwsError
from persisty.backoff import ATTEMPTS
from persisty.errors import (
    BackendUnavailable,
    BatchTooLarge,
    InvalidCursor,
    InvalidInput,
    PersistyError,
    SchemaMismatch,
    Throttled,
)
from persisty.model.expressions import ALL
from persisty.model.generators import Add
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Delete, Outcome, Patch, Put, Query, WriteResult

from .items import THING, Thing

T: Any = Thing
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WIRE = WireCodec(THING)
OPTIONS = Options()

Answer = dict[str, Any] | Exception | Callable[[dict[str, Any]], dict[str, Any]]


def thing(key: str = "1", **values: Any) -> Any:
    return Thing(**{"id": key, "owner": "me", "at": NOW, **values})


class Script:
    """A transport. `calls`: the operations and payloads that it received."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **options: Any) -> Any:
        self.calls.append((operation, payload))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return msgspec.convert(answer if isinstance(answer, dict) else answer(payload), shape)

    def close(self) -> None:
        raise AssertionError("a backend does not close the engine's transport")

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    for module in (keyed, transactions, writes):
        monkeypatch.setattr(module, "sleep", waits.append)
    return waits


def backend_with(*answers: Answer, options: Options = OPTIONS) -> tuple[DynamoDbBackend[Any], Script]:
    script = Script(*answers)
    return DynamoDbBackend(THING, lambda _: "things", "app.system", script, options), script


def where(given: Any) -> Any:
    return resolve_filter(THING, given)


def condition_failed(item: Any = None, *, in_doubt: bool = False) -> AwsError:
    body = {} if item is None else {"Item": WIRE.wire(item)}
    return AwsError("ConditionalCheckFailedException", "The conditional request failed", body, in_doubt=in_doubt)


def canceled(*reasons: dict[str, Any]) -> AwsError:
    return AwsError("TransactionCanceledException", "Transaction cancelled", {"CancellationReasons": list(reasons)})


NONE = {"Code": "None"}


def test_each_verb_is_one_call_with_its_condition() -> None:
    item, newer = thing(), thing(count=1)
    backend, script = backend_with({}, {"Item": WIRE.wire(item)}, {"Attributes": WIRE.wire(newer)}, {})
    assert backend.write([Put(item)], atomic=False) == [WriteResult(Outcome.DONE, item)]
    assert backend.read([("1",)]) == [item]
    changes = {"count": Add(1), "text": None, "done": True}
    assert backend.write([Patch(("1",), changes, where(T.count == 0))], atomic=False) == [
        WriteResult(Outcome.DONE, newer)
    ]
    assert backend.write([Delete(("1",))], atomic=True) == [WriteResult(Outcome.DONE)]
    assert script.operations == ["PutItem", "GetItem", "UpdateItem", "DeleteItem"]
    put, get, update, delete = (payload for _, payload in script.calls)
    assert put["ConditionExpression"] == "attribute_not_exists(#0)"
    assert get == {"TableName": "things", "Key": {"id": {"S": "1"}}, "ConsistentRead": True}
    assert update["ConditionExpression"] == "attribute_exists(#0) AND (attribute_not_exists(#1) OR #1 = :0)"
    assert update["UpdateExpression"] == "SET #1 = if_not_exists(#1, :1) + :2, #3 = :3 REMOVE #2"
    assert update["ExpressionAttributeNames"] == {"#0": "id", "#1": "count", "#2": "text", "#3": "done"}
    assert update["ExpressionAttributeValues"] == {
        ":0": {"N": "0"},
        ":1": {"N": "0"},
        ":2": {"N": "1"},
        ":3": {"N": "1"},
    }
    assert (update["ReturnValues"], update["ReturnValuesOnConditionCheckFailure"]) == ("ALL_NEW", "ALL_OLD")
    assert delete["ConditionExpression"] == "attribute_exists(#0)"


REFUSED: dict[str, tuple[Any, Any, WriteResult]] = {
    "a put of a taken key": (Put(thing()), thing(count=5), WriteResult(Outcome.EXISTS)),
    "a put of a taken key with an equal item": (Put(thing()), thing(), WriteResult(Outcome.EXISTS)),
    "a patch of a missing item": (Patch(("1",), {"count": 2}), None, WriteResult(Outcome.MISSING)),
    "a patch whose condition is false": (
        Patch(("1",), {"count": 2}, where(T.count == 0)),
        thing(count=5),
        WriteResult(Outcome.FAILED, thing(count=5)),
    ),
    "a delete of a missing item": (Delete(("1",)), None, WriteResult(Outcome.MISSING)),
    "a delete whose condition is false": (
        Delete(("1",), where(T.count == 0)),
        thing(count=5),
        WriteResult(Outcome.FAILED, thing(count=5)),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_failed_condition_is_an_outcome_and_needs_no_second_read(name: str) -> None:
    write, current, outcome = REFUSED[name]
    backend, script = backend_with(condition_failed(current))
    assert backend.write([write], atomic=False) == [outcome]
    assert len(script.calls) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_a_failed_condition_is_the_same_outcome_in_a_transaction(name: str) -> None:
    write, current, outcome = REFUSED[name]
    reason = {"Code": "ConditionalCheckFailed"} | ({} if current is None else {"Item": WIRE.wire(current)})
    backend, script = backend_with(canceled(NONE, reason))
    assert backend.write([Put(thing("2")), write], atomic=True) == [WriteResult(Outcome.ABORTED), outcome]
    assert script.operations == ["TransactWriteItems"]


def test_a_put_that_is_refused_after_a_lost_response_is_in_doubt() -> None:
    backend, _ = backend_with(condition_failed(thing(), in_doubt=True), condition_failed(in_doubt=True))
    assert backend.write([Put(thing())], atomic=False) == [
        WriteResult(Outcome.IN_DOUBT, thing(), refusal=Outcome.EXISTS)
    ]
    assert backend.write([Put(thing())], atomic=False) == [WriteResult(Outcome.IN_DOUBT, refusal=Outcome.EXISTS)]


def test_a_committed_transaction_reads_only_its_patched_items() -> None:
    newer = thing("2", count=8)
    backend, script = backend_with({}, {"Item": WIRE.wire(newer)})
    results = backend.write([Put(thing("1")), Patch(("2",), {"count": Add(1)}), Delete(("3",))], atomic=True)
    assert results == [
        WriteResult(Outcome.DONE, thing("1")),
        WriteResult(Outcome.DONE, newer),
        WriteResult(Outcome.DONE),
    ]
    assert script.operations == ["TransactWriteItems", "GetItem"]
    assert [list(action) for action in script.calls[0][1]["TransactItems"]] == [["Put"], ["Update"], ["Delete"]]


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_with_a_conflict_is_retried(code: str, slept: list[float]) -> None:
    backend, script = backend_with(canceled(NONE, {"Code": code}), {})
    results = backend.write([Put(thing("1")), Put(thing("2"))], atomic=True)
    assert [one.outcome for one in results] == [Outcome.DONE] * 2
    assert (len(script.calls), len(slept)) == (2, 1)


def test_a_transaction_with_repeated_conflicts_is_throttled() -> None:
    backend, script = backend_with(*[canceled({"Code": "TransactionConflict"}, NONE) for _ in range(ATTEMPTS)])
    with pytest.raises(Throttled):
        backend.write([Put(thing("1")), Put(thing("2"))], atomic=True)
    assert len(script.calls) == ATTEMPTS


def test_an_item_too_large_aborts_its_transaction_and_is_invalid_input() -> None:
    backend, _ = backend_with(
        canceled(NONE, {"Code": "ValidationError", "Message": "Item size has exceeded the maximum"})
    )
    valid, large = backend.write([Put(thing("1")), Put(thing("2"))], atomic=True)
    assert (valid.outcome, large.outcome) == (Outcome.ABORTED, Outcome.ERROR)
    assert isinstance(large.error, InvalidInput)


def test_an_atomic_batch_of_more_than_100_is_too_large_and_sends_no_request() -> None:
    backend, script = backend_with()
    with pytest.raises(BatchTooLarge):
        backend.write([Put(thing(f"{number}")) for number in range(101)], atomic=True)
    assert script.calls == []


ENDS = where(T.owner.endswith("e") & (T.count == 0))


def test_a_condition_that_dynamodb_cannot_evaluate_is_evaluated_locally_on_the_item() -> None:
    backend, script = backend_with({"Item": WIRE.wire(thing())}, {"Attributes": WIRE.wire(thing(count=1))})
    assert backend.write([Patch(("1",), {"count": 1}, ENDS)], atomic=False) == [
        WriteResult(Outcome.DONE, thing(count=1))
    ]
    assert script.operations == ["GetItem", "UpdateItem"]
    write = script.calls[1][1]
    assert (
        write["ConditionExpression"] == "attribute_exists(#0) AND ((attribute_not_exists(#1) OR #1 = :0) AND (#2 = :1))"
    )
    assert write["ExpressionAttributeNames"] == {"#0": "id", "#1": "count", "#2": "owner"}
    assert [write["ExpressionAttributeValues"][place] for place in (":0", ":1")] == [{"N": "0"}, {"S": "me"}]


def test_a_lost_race_is_retried_and_may_then_fail() -> None:
    other = thing(owner="you")
    backend, script = backend_with({"Item": WIRE.wire(thing())}, condition_failed(other), {"Item": WIRE.wire(other)})
    assert backend.write([Delete(("1",), ENDS)], atomic=False) == [WriteResult(Outcome.FAILED, other)]
    assert script.operations == ["GetItem", "DeleteItem", "GetItem"]


def test_a_race_that_is_always_lost_ends() -> None:
    backend, script = backend_with(*[{"Item": WIRE.wire(thing())}, condition_failed(thing(count=3))] * ATTEMPTS)
    with pytest.raises(BackendUnavailable):
        backend.write([Delete(("1",), ENDS)], atomic=False)
    assert len(script.calls) == 2 * ATTEMPTS


def test_local_conditions_of_a_transaction_take_one_read() -> None:
    wires = [WIRE.wire(thing("1")), WIRE.wire(thing("2"))]
    backend, script = backend_with({"Responses": {"things": wires}}, {})
    writes = [Delete(("1",), ENDS), Put(thing("3")), Delete(("2",), ENDS)]
    assert [one.outcome for one in backend.write(writes, atomic=True)] == [Outcome.DONE] * 3
    assert script.operations == ["BatchGetItem", "TransactWriteItems"]
    found, failed = WIRE.wire(thing("1", owner="you")), {"Code": "ConditionalCheckFailed"}
    results = [
        WriteResult(Outcome.FAILED, thing("1", owner="you")),
        WriteResult(Outcome.EXISTS),
        WriteResult(Outcome.MISSING),
    ]
    refused, script = backend_with(
        {"Responses": {"things": [found]}}, canceled({**failed, "Item": found}, failed, failed)
    )
    assert refused.write(writes, atomic=True) == results, (
        "a write that is known to be refused is sent too, so that every refusal is reported"
    )
    assert script.operations == ["BatchGetItem", "TransactWriteItems"]
    refused, script = backend_with({"Responses": {"things": [found]}})
    assert refused.write([writes[0], writes[2]], atomic=True) == [results[0], results[2]]
    assert script.operations == ["BatchGetItem"]


def test_a_key_that_no_item_can_have_needs_no_request() -> None:
    backend, script = backend_with({"Item": WIRE.wire(thing())})
    long = ("x" * 2049,)
    assert backend.read([long]) == [None]
    assert backend.read([long, long]) == [None, None]
    writes = [Patch(long, {"count": 1}), Delete(long, ENDS), Delete(long)]
    assert backend.write(writes, atomic=False) == [WriteResult(Outcome.MISSING)] * 3
    assert backend.write([Put(thing()), Delete(long)], atomic=True) == [
        WriteResult(Outcome.ABORTED),
        WriteResult(Outcome.MISSING),
    ]
    assert script.calls == []


def _stored(payload: dict[str, Any]) -> dict[str, Any]:
    keys = payload["RequestItems"]["things"]["Keys"]
    return {"Responses": {"things": [WIRE.wire(thing(key["id"]["S"])) for key in reversed(keys)]}}


def test_reads_are_sent_by_the_hundred_with_each_key_once() -> None:
    backend, script = backend_with(_stored, _stored, _stored)
    keys = [(f"{number % 250}",) for number in range(300)]
    assert [one and one.id for one in backend.read(keys)] == [key for (key,) in keys]
    assert [len(payload["RequestItems"]["things"]["Keys"]) for _, payload in script.calls] == [100, 100, 50]


def _some(payload: dict[str, Any], count: int) -> dict[str, Any]:
    keys = payload["RequestItems"]["things"]["Keys"]
    answer = _stored({"RequestItems": {"things": {"Keys": keys[:count]}}})
    return {**answer, "UnprocessedKeys": {"things": {"Keys": keys[count:]}}} if keys[count:] else answer


def test_keys_left_unprocessed_for_size_are_requested_again_immediately(slept: list[float]) -> None:
    backend, script = backend_with(*[lambda payload: _some(payload, 4)] * 20)
    keys = [(f"{number}",) for number in range(80)]
    assert [one and one.id for one in backend.read(keys)] == [key for (key,) in keys]
    assert (len(script.calls), slept) == (20, [])


def test_keys_left_unprocessed_for_load_are_requested_again_after_a_wait_a_bounded_number_of_times(
    slept: list[float],
) -> None:
    backend, script = backend_with(*[lambda payload: _some(payload, 0)] * ATTEMPTS)
    with pytest.raises(Throttled):
        backend.read([("1",), ("2",)])
    assert (len(script.calls), len(slept)) == (ATTEMPTS, ATTEMPTS)


def _page(count: int, last: bool = False) -> Answer:
    items = [WIRE.wire(thing(f"{number}", owner="me")) for number in range(count)]
    return {"Items": items, "Count": count} | ({} if last else {"LastEvaluatedKey": {"id": {"S": f"{count}"}}})


SMALL = {"Table": {"ItemCount": 40, "TableSizeBytes": 40_000}}
"""DescribeTable's answer."""


def test_a_page_reads_only_the_items_that_it_needs() -> None:
    backend, script = backend_with(_page(12))
    page = backend.query(Query(ALL, (), None, 10))
    assert (len(page.items), page.position) == (10, {"id": "9"})
    assert [(operation, payload["Limit"]) for operation, payload in script.calls] == [("Scan", 12)]


def test_a_filter_reads_more_items_with_each_request() -> None:
    backend, script = backend_with(SMALL, _page(0), _page(0), _page(2, last=True))
    page = backend.query(Query(where(T.count > 5), (), None, 10))
    assert (len(page.items), page.position) == (2, None)
    assert script.operations == ["DescribeTable", *["Scan"] * 3]
    assert [payload["Limit"] for _, payload in script.calls[1:]] == [96, 384, 1536]


def test_a_query_that_is_sorted_locally_reads_full_pages() -> None:
    backend, script = backend_with(SMALL, _page(3), _page(3, last=True))
    page = backend.query(Query(ALL, resolve_order(THING, "-id"), None, 1))
    assert [one.id for one in page.items] == ["2"]
    assert [payload.get("Limit") for _, payload in script.calls[1:]] == [None, None]


def test_an_unordered_page_of_an_index_continues_from_its_keys() -> None:
    first, script = backend_with({"Items": [WIRE.wire(thing(f"{number}")) for number in range(3)]})
    position = first.query(Query(where(T.owner == "me"), (), None, 2)).position
    assert position == {"id": "1", "owner": "me", "at": NOW}
    assert script.calls[0][1]["IndexName"] == "by-owner-at"
    assert "ConsistentRead" not in script.calls[0][1]
    second, script = backend_with({"Items": []})
    assert second.query(Query(where(T.owner == "me"), (), position, 2)).items == []
    start = script.calls[0][1]["ExclusiveStartKey"]
    assert start == {"id": {"S": "1"}, "owner": {"S": "me"}, "at": {"S": "2026-01-01T00:00:00.000000Z"}}


@pytest.mark.parametrize(
    "position", [{}, {"id": "1"}, {"id": 1, "owner": "me", "at": NOW}, {"id": "1", "owner": "me", "at": None}]
)
def test_a_position_that_does_not_fit_is_an_invalid_cursor(position: dict[str, Any]) -> None:
    backend, script = backend_with()
    with pytest.raises(InvalidCursor):
        backend.query(Query(where(T.owner == "me"), (), position, 2))
    assert script.calls == []


def test_a_count_that_dynamodb_evaluates_reads_no_items() -> None:
    backend, script = backend_with(SMALL, {"Count": 3, "LastEvaluatedKey": {"id": {"S": "1"}}}, {"Count": 4})
    assert backend.count(where(T.count > 5)) == 7
    assert [payload["Select"] for _, payload in script.calls[1:]] == ["COUNT"] * 2
    backend, script = backend_with(SMALL, _page(4, last=True))
    assert backend.count(where(T.owner.endswith("e"))) == 4
    payload = script.calls[1][1]
    assert "Select" not in payload
    assert (payload["ProjectionExpression"], payload["ExpressionAttributeNames"]) == (
        "#0, #1",
        {"#0": "id", "#1": "owner"},
    )


def test_writes_of_one_item_stay_in_order_while_others_run_in_parallel() -> None:
    ended: list[str] = []
    both_started = threading.Barrier(2, timeout=5)

    def slow(payload: dict[str, Any]) -> dict[str, Any]:
        both_started.wait()  # no write passes before the other item's first write has started too
        time.sleep(0.02)
        ended.append("put " + payload["Item"]["id"]["S"])
        return {}

    def quick(payload: dict[str, Any]) -> dict[str, Any]:
        ended.append("delete " + payload["Key"]["id"]["S"])
        return {}

    class SlowPuts(Script):
        def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **options: Any) -> Any:
            return (slow if operation == "PutItem" else quick)(payload)

    backend: DynamoDbBackend[Any] = DynamoDbBackend(
        THING, lambda _: "things", "app.system", SlowPuts(), Options(partiql=0)
    )
    results = backend.write([Put(thing("1")), Delete(("1",)), Put(thing("2")), Delete(("2",))], atomic=False)
    assert [one.outcome for one in results] == [Outcome.DONE] * 4
    assert results[2].item == thing("2")
    for key in "12":
        assert ended.index(f"put {key}") < ended.index(f"delete {key}")


def test_an_error_among_parallel_writes_belongs_to_its_edit_and_stops_further_requests() -> None:
    answers: Sequence[Answer] = [Throttled() if number == 3 else {} for number in range(40)]
    backend, script = backend_with(*answers, options=Options(partiql=0))
    results = backend.write([Put(thing(f"{number}")) for number in range(40)], atomic=False)
    outcomes = [one.outcome for one in results]
    assert outcomes.count(Outcome.DONE) == len(script.calls) - 1 >= 3
    assert {one for one in outcomes if one is not Outcome.DONE} == {Outcome.ERROR}
    assert all(isinstance(one.error, Throttled) for one in results if one.outcome is Outcome.ERROR)


def test_an_error_of_every_write_of_a_batch_is_raised() -> None:
    backend, script = backend_with(Throttled(), options=Options(partiql=1))
    with pytest.raises(Throttled):
        backend.write([Put(thing(f"{number}")) for number in range(10)], atomic=False)
    assert script.operations == ["BatchExecuteStatement"]


def test_a_value_that_the_engine_cannot_store_is_an_error_of_its_own_edit() -> None:
    large = AwsError("ValidationException", "Item size has exceeded the maximum allowed size", {})
    puts = [Put(thing("1")), Put(thing("2"))]
    backend, _ = backend_with({}, large, options=Options(partiql=0))
    results = backend.write(puts, atomic=False)
    [refused] = [one for one in results if one.outcome is not Outcome.DONE]
    assert isinstance(refused.error, InvalidInput)
    backend, _ = backend_with(large, large, options=Options(partiql=0))
    with pytest.raises(InvalidInput) as caught:
        backend.write(puts, atomic=False)
    assert [fault.path for fault in caught.value.faults] == ["/0"]


ERRORS: tuple[tuple[str, str, type[PersistyError]], ...] = (
    ("ValidationException", "Item size has exceeded the maximum allowed size", InvalidInput),
    ("ValidationException", "Item size to update has exceeded the maximum allowed size", InvalidInput),
    ("ValidationException", "Hash primary key values must be under 2048 bytes, and range primary", InvalidInput),
    ("ValidationException", "One or more parameter values were invalid: Size limit exceeded", InvalidInput),
    (
        "ValidationException",
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        InvalidInput,
    ),
    (
        "ValidationException",
        "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        InvalidInput,
    ),
    ("ValidationException", "Transaction payload size cannot exceed 4MB. Payload Size: 4290067", BatchTooLarge),
    ("ValidationException", "The provided starting key is invalid", InvalidCursor),
    ("ValidationException", "Exclusive Start Key must have same size as table's key schema", InvalidCursor),
    ("ValidationException", "Something about arn:aws:dynamodb:eu-west-1:123456789012", BackendUnavailable),
    ("AccessDeniedException", "arn:aws:sts::123456789012:assumed-role/x is not authorized", BackendUnavailable),
    ("ResourceNotFoundException", "Requested resource not found", SchemaMismatch),
    ("ValidationException", "The table does not have the specified index: by-owner", SchemaMismatch),
    ("ValidationException", "The provided key element does not match the schema", SchemaMismatch),
    (
        "ValidationException",
        "One or more parameter values were invalid: Missing the key id in the item",
        SchemaMismatch,
    ),
    (
        "ValidationException",
        "One or more parameter values were invalid: Type mismatch for Index Key n Expected: N Actual: S IndexName: by-n",
        SchemaMismatch,
    ),
    ("ValidationException", "One of the required keys was not given a value", SchemaMismatch),
    ("ValidationException", "Query condition missed key schema element: id", SchemaMismatch),
)
"""Messages of DynamoDB and DynamoDB Local."""


@pytest.mark.parametrize(("kind", "message", "expected"), ERRORS)
def test_a_refusal_becomes_a_typed_error_that_does_not_show_the_account(
    kind: str, message: str, expected: type[PersistyError]
) -> None:
    calls: tuple[Callable[[DynamoDbBackend[Any]], Any], ...] = (
        lambda backend: backend.write([Put(thing())], atomic=False),
        lambda backend: backend.write([Put(thing("1")), Put(thing("2"))], atomic=True),
        lambda backend: backend.query(Query(ALL, (), None, 1)),
        lambda backend: backend.read([("1",)]),
        lambda backend: backend.read([("1",), ("2",)]),
        lambda backend: backend.count(ALL),
    )
    for call in calls:
        backend, _ = backend_with(AwsError(kind, message, {}))
        with pytest.raises(PersistyError) as caught:
            call(backend)
        assert type(caught.value) is expected
        assert "123456789012" not in str(caught.value)
        assert isinstance(caught.value.__cause__, AwsError)
