"""Batches as statements: their texts, the meaning of responses, and edits that are written singly instead."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from persisty.backends.dynamodb.batch_statements import MAX_STATEMENTS, Statements, rounds
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.transport import AwsError
from persisty.errors import SchemaMismatch
from persisty.model.generators import Add, Append
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Delete, Outcome, Patch, Put, WriteResult

from .items import THING, Thing
from .test_backend import backend_with, thing

T: Any = Thing
WIRE = WireCodec(THING)


def text_of(write: Any) -> tuple[str, list[Any]]:
    """Return the statement and the parameters of one write in a batch of two."""
    backend, script = backend_with({"Responses": [{"Item": WIRE.wire(thing())}, {}]})
    backend.write([write, Put(thing("other"))], atomic=False)
    statement = script.calls[0][1]["Statements"][0]
    returned = statement.get("ReturnValuesOnConditionCheckFailure")
    assert returned == (None if isinstance(write, Put) else "ALL_OLD")  # a create that fails needs no item
    return statement["Statement"], statement["Parameters"]


def where(given: Any) -> Any:
    return resolve_filter(THING, given)


def test_a_create_is_an_insert_of_what_is_not_null() -> None:
    text, parameters = text_of(Put(thing("1", count=3)))
    names = text.removeprefix('INSERT INTO "things" VALUE {').removesuffix("}")
    assert [part.partition(":")[0].strip("' ") for part in names.split(",")] == [*WIRE.wire(thing("1", count=3))]
    assert {"N": "3"} in parameters
    assert text.count("?") == len(parameters)


CONDITIONS: dict[str, tuple[Any, str, list[dict[str, Any]]]] = {
    "none": (None, "", []),
    "eq": (T.count == 3, ' AND ("count" = ?)', [{"N": "3"}]),
    "ne": (T.text != "a", ' AND ("text" IS MISSING OR "text" <> ?)', [{"S": "a"}]),
    "oneof": (T.count.oneof([1, 2]), ' AND ("count" IN [?, ?])', [{"N": "1"}, {"N": "2"}]),
    "startswith": (T.text.startswith("a"), ' AND (begins_with("text", ?))', [{"S": "a"}]),
    "not contains": (
        ~T.text.contains("a"),
        ' AND ("text" IS MISSING OR NOT (contains("text", ?)))',
        [{"S": "a"}],
    ),
    "and, or": (
        (T.count > 1) & ((T.owner == "a") | (T.owner == "b")),
        ' AND (("count" > ?) AND (("owner" = ?) OR ("owner" = ?)))',
        [{"N": "1"}, {"S": "a"}, {"S": "b"}],
    ),
}


@pytest.mark.parametrize(("given", "text", "values"), CONDITIONS.values(), ids=CONDITIONS)
def test_conditions_follow_the_key(given: Any, text: str, values: list[dict[str, Any]]) -> None:
    found, parameters = text_of(Delete(("1",), where(given)))
    assert found == f'DELETE FROM "things" WHERE "id" = ?{text} RETURNING ALL OLD *'
    assert parameters == [{"S": "1"}, *values]


@pytest.mark.parametrize("given", [T.text.is_null(), T.text.is_null(False)])
def test_a_test_for_null_is_sent_alone_because_an_item_may_have_a_null_from_before_a_change(given: Any) -> None:
    backend, script = backend_with({}, {})
    backend.write([Delete((key,), where(given)) for key in "ab"], atomic=False)
    assert [name for name, _ in script.calls] == ["DeleteItem", "DeleteItem"]


def test_an_update_sets_adds_appends_and_removes() -> None:
    changes = {"owner": "you", "count": Add(2), "tags": Append(("a",)), "text": None}
    text, parameters = text_of(Patch(("1",), changes, where(T.count < 9)))
    assert text == (
        'UPDATE "things" SET "owner" = ? SET "count" = "count" + ? SET "tags" = list_append("tags", ?) REMOVE "text" '
        'WHERE "id" = ? AND ("count" IS MISSING OR "count" < ?) RETURNING ALL NEW *'
    )
    assert parameters == [{"S": "you"}, {"N": "2"}, {"L": [{"S": '"a"'}]}, {"S": "1"}, {"N": "9"}]


def test_an_empty_update_returns_the_item() -> None:
    text, _ = text_of(Patch(("1",), {}))
    assert text.startswith('UPDATE "things" REMOVE ')


def test_a_statement_has_placeholders_for_its_values() -> None:
    backend, script = backend_with({"Responses": [{}, {}, {}]}, {}, {}, {})
    backend.write([Delete((key,), where(T.count == number)) for number, key in enumerate("abc", 1)], atomic=False)
    statements = script.calls[0][1]["Statements"]
    assert len({one["Statement"] for one in statements}) == 1
    assert [one["Parameters"] for one in statements] == [
        [{"S": key}, {"N": str(number)}] for number, key in enumerate("abc", 1)
    ]


def test_responses_become_results() -> None:
    new, current = thing("2", count=5), thing("4", count=7)
    answers = [
        {},
        {"Item": WIRE.wire(new)},
        {"Error": {"Code": "DuplicateItem"}},
        {"Error": {"Code": "ConditionalCheckFailed", "Item": WIRE.wire(current)}},
        {"Item": WIRE.wire(thing("5"))},
        {},
    ]
    backend, script = backend_with({"Responses": answers})
    writes = [
        Put(thing("1")),
        Patch(("2",), {"count": 5}),
        Put(thing("3")),
        Patch(("4",), {"count": 1}, where(T.count == 0)),
        Delete(("5",)),
        Delete(("6",)),
    ]
    assert backend.write(writes, atomic=False) == [
        WriteResult(Outcome.DONE, thing("1")),
        WriteResult(Outcome.DONE, new),
        WriteResult(Outcome.EXISTS),
        WriteResult(Outcome.FAILED, current),
        WriteResult(Outcome.DONE),
        WriteResult(Outcome.MISSING),
    ]
    assert script.operations == ["BatchExecuteStatement"]


@pytest.mark.parametrize(
    "code", ["ConditionalCheckFailed", "ThrottlingError", "ValidationError", "TransactionConflict"]
)
def test_edits_that_a_response_leaves_undecided_are_written_singly(code: str) -> None:
    backend, script = backend_with(
        {"Responses": [{"Error": {"Code": code}}, {}]},
        AwsError("ConditionalCheckFailedException", "", {}),
    )
    results = backend.write([Patch(("1",), {"count": 1}), Put(thing("2"))], atomic=False)
    assert [one.outcome for one in results] == [Outcome.MISSING, Outcome.DONE]
    assert script.operations == ["BatchExecuteStatement", "UpdateItem"]


def test_edits_that_partiql_cannot_express_are_written_singly() -> None:
    updated = {"Attributes": WIRE.wire(thing("1"))}
    local = where(T.text.endswith("x"))
    backend, script = backend_with({"Responses": [{}, {}]}, {})
    writes = [Put(thing("1")), Put(thing("2")), Delete(("3",), local)]
    assert backend.write(writes, atomic=False)[2].outcome is Outcome.MISSING  # it was read, and is not there
    assert sorted(script.operations) == ["BatchExecuteStatement", "GetItem"]
    backend, script = backend_with(updated, updated)
    nullable = Patch(("1",), {"level": Add(1)})  # null counts as 0, which PartiQL has no documented way to say
    backend.write([nullable, Patch(("2",), {"level": Add(1)})], atomic=False)
    assert script.operations == ["UpdateItem", "UpdateItem"]


def test_a_request_has_at_most_25_edits_and_each_item_once() -> None:
    backend, script = backend_with(*({"Responses": [{} for _ in range(size)]} for size in (25, 25, 10)))
    backend.write([Put(thing(str(number))) for number in range(60)], atomic=False)
    assert sorted(len(payload["Statements"]) for _, payload in script.calls) == [10, 25, MAX_STATEMENTS]
    keys = [(0, ("a",), ()), (1, ("b",), ()), (2, ("a",), ()), (3, ("a",), ()), (4, ("b",), ())]
    assert rounds(keys) == [[0, 1], [2, 4], [3]]


def test_a_write_follows_those_that_write_or_require_the_same_item() -> None:
    a, b, c = ("a",), ("b",), ("c",)
    assert rounds([(0, a, [b]), (1, b, []), (2, c, [b]), (3, b, [])]) == [[0], [1], [2], [3]]
    assert rounds([(0, a, []), (1, b, [a]), (2, c, [a]), (3, a, [a])]) == [[0], [1, 2], [3]]


@pytest.mark.parametrize("kind", ["AccessDeniedException", "UnknownOperationException"])
def test_an_engine_without_statements_or_permission_for_them_gets_single_writes(kind: str) -> None:
    backend, script = backend_with(AwsError(kind, "", {}), {}, {}, {}, {})
    for names in ("ab", "cd"):
        results = backend.write([Put(thing(name)) for name in names], atomic=False)
        assert [one.outcome for one in results] == [Outcome.DONE] * 2
    assert script.operations == ["BatchExecuteStatement", *["PutItem"] * 4]


def test_another_refusal_of_a_whole_batch_is_an_error() -> None:
    backend, _ = backend_with(AwsError("ResourceNotFoundException", "", {}))
    with pytest.raises(SchemaMismatch):
        backend.write([Put(thing("1")), Put(thing("2"))], atomic=False)


ALIKE: dict[str, list[Any]] = {
    "set": [Patch(("1",), {"text": "a", "count": 1}), Patch(("2",), {"text": "b", "count": 2})],
    "add": [Patch(("1",), {"count": Add(1)}), Patch(("2",), {"count": Add(2)})],
    "nothing": [Patch(("1",), {}), Patch(("2",), {})],
    "null": [Patch(("1",), {"text": "a"}), Patch(("2",), {"text": None})],
    "set or add": [Patch(("1",), {"count": 1}), Patch(("2",), {"count": Add(2)})],
    "append": [Patch(("1",), {"tags": Append(("a",))}), Patch(("2",), {"tags": Append(("b",))})],
    "other attributes": [Patch(("1",), {"text": "a"}), Patch(("2",), {"count": 1})],
    "a key that no item has": [Patch(("1",), {"text": "a"}), Patch(("x" * 3_000,), {"text": "b"})],
    "deletes": [Delete(("1",)), Delete(("2",))],
    "both": [Patch(("1",), {"text": "a"}), Delete(("2",))],
}


@pytest.mark.parametrize("condition", [None, T.count == 3, T.text.endswith("a")])
@pytest.mark.parametrize("name", ALIKE)
def test_statements_that_are_made_together_equal_those_of_each_write(name: str, condition: Any) -> None:
    when = where(condition)
    writes = [replace(one, when=when) for one in ALIKE[name]]
    statements = Statements(THING, WIRE, "things")
    assert statements.of_all(writes) == [Statements(THING, WIRE, "things").of_all([one])[0] for one in writes]
