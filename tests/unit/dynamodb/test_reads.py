"""The requests of a read: which operations, how many, and no needless request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, cast

import pytest

from persisty.backends.dynamodb import page_requests, reads, statistics
from persisty.backends.dynamodb.backend import DynamoDbBackend, Options
from persisty.backends.dynamodb.engine import DynamoDbEngine
from persisty.backends.dynamodb.transport import JSON, Transport
from persisty.backends.dynamodb.wire_answers import Found
from persisty.errors import InvalidCursor, PersistyError, ScanNotAllowed, TooManyGroups
from persisty.model.expressions import ALL, COUNT, Aggregate
from persisty.model.generators import Add
from persisty.query import aggregate
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter
from persisty.store.backend import BulkWrite, Query

from .parcels import CITY, NEW_YEAR, PARCEL, C, Color, P, Pair, Recorder, S, parcels, url_of, walk

A_QUERY, TWO, THREE = ["Query"], ["Query"] * 2, ["Query"] * 3
FILTERED_SCAN = ["DescribeTable", "Scan"]

PAGES: dict[str, tuple[str, Any, Any, int, list[str]]] = {
    # where, order, limit → requests
    "a page of an index": ("parcel", P.owner == "a", "-at", 7, A_QUERY),
    "a filtered page of an index": ("parcel", (P.owner == "a") & (P.count > 0), "at", 3, A_QUERY),
    "a page of an index, unordered": ("parcel", P.owner == "a", None, 5, A_QUERY),
    "an order that the index does not have": ("parcel", P.owner == "a", "price", 5, A_QUERY),
    "a page of a part of the table": ("sample", S.device == "x", "-at", 3, A_QUERY),
    "a key": ("parcel", P.id == "037", None, 25, ["GetItem"]),
    "a key that is filtered too": ("parcel", (P.id == "037") & (P.owner == "b") & (CITY == "Rome"), "at", 25, ["GetItem"]),
    "a key of two parts": ("sample", (S.device == "x") & (S.at == NEW_YEAR), None, 25, ["GetItem"]),
    "a key of three parts": ("cell", (C.sheet == "s") & (C.row == 2) & (C.column == "a"), None, 25, ["GetItem"]),
    "several keys": ("parcel", P.id.oneof(["037", "074"]), "at", 25, ["BatchGetItem"]),
    "an or of keys": ("parcel", (P.id == "037") | ((P.id == "074") & (P.count > 0)), None, 25, ["BatchGetItem"]),
    "a key that no item can have": ("parcel", P.id == "x" * 3000, None, 25, []),
    "a contradiction": ("parcel", (P.owner == "a") & P.owner.oneof(["b", "c"]), None, 25, []),
    "several partitions": ("parcel", P.owner.oneof(["a", "b"]), None, 50, TWO),
    "several partitions in order": ("parcel", P.owner.oneof(["a", "b"]), "-at", 15, TWO),
    "several partitions sorted locally": ("parcel", P.owner.oneof(["a", "b"]), "price", 10, TWO),
    "several sort values": ("parcel", (P.owner == "a") & P.color.oneof([Color.RED, Color.NONE]), "-count", 20, TWO),
    "an or over indexes and the table": (
        "parcel", (P.owner == "a") | (P.level == 2) | (P.id == "037"), None, 50, THREE),
    "a page of everything": ("parcel", None, None, 5, ["Scan"]),
    "a filter without an index": ("parcel", P.count == 1, None, 5, FILTERED_SCAN),
    "an order without an index": ("parcel", None, "count", 5, FILTERED_SCAN),
    "a nested attribute": ("parcel", (P.owner == "a") & (CITY == "Rome"), None, 50, A_QUERY),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_page_takes(pairs: dict[str, Pair], name: str) -> None:
    item, given, terms, limit, operations = PAGES[name]
    pair = pairs[item]
    where, order = resolve_filter(pair.meta, given), resolve_order(pair.meta, terms)
    recorder, backend = opened(pair)
    page = backend.query(Query(where, order, None, limit))
    assert sorted(recorder.operations) == operations
    expected = pair.memory.query(Query(where, order, None, 1000)).items
    if order:
        assert page.items == expected[:limit]
    assert len(page.items) == min(limit, len(expected))
    assert all(item in expected for item in page.items)


def opened(pair: Pair, **options: int) -> tuple[Recorder, DynamoDbBackend[Any]]:
    """Return a backend that has sent no request yet."""
    recorder = Recorder(pair.recorder)
    return recorder, DynamoDbEngine(recorder, "reads", "test", Options(**options)).open(pair.meta)


def payloads_of(recorder: Recorder) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the requests, with the parts of a batch in place of the batch."""
    for operation, payload in recorder.calls:
        yield operation, next(iter(payload["RequestItems"].values())) if operation == "BatchGetItem" else payload


@pytest.mark.parametrize("name", PAGES)
def test_reads_by_key_are_consistent_and_those_of_indexes_cannot_be(pairs: dict[str, Pair], name: str) -> None:
    item, given, terms, limit, _ = PAGES[name]
    pair = pairs[item]
    recorder, backend = opened(pair)
    backend.query(Query(resolve_filter(pair.meta, given), resolve_order(pair.meta, terms), None, limit))
    for operation, payload in payloads_of(recorder):
        if operation != "DescribeTable":
            assert ("IndexName" in payload) is not payload.get("ConsistentRead", False)


OVERLAPPING = {
    "another index": P.owner.oneof(["a", "b", "c"]) | (P.level == 2),
    "keys": P.owner.oneof(["a", "b", "c"]) | P.id.oneof(["000", "037"]),
}


@pytest.mark.parametrize("terms", [None, "-at", "price", ["owner", "at"], ["-owner", "-at"]], ids=str)
@pytest.mark.parametrize("other", OVERLAPPING)
def test_each_page_of_a_union_continues_from_the_previous_one(pairs: dict[str, Pair], other: str, terms: Any) -> None:
    pair = pairs["parcel"]
    where, order = resolve_filter(PARCEL, OVERLAPPING[other]), resolve_order(PARCEL, terms)
    expected = [item.id for item in walk(pair.memory, where, order, 1000)]
    for limit in (7, 19, 20, 21, 60):
        found = [item.id for item in walk(pair.dynamodb, where, order, limit)]
        assert len(found) == len(set(found)) == 60
        assert not order or found == expected


def test_an_unordered_union_reads_no_query_again_that_it_has_read(pairs: dict[str, Pair]) -> None:
    pair = pairs["parcel"]
    where = resolve_filter(PARCEL, P.owner.oneof(["a", "b", "c"]))
    recorder, backend = opened(pair)
    page = backend.query(Query(where, (), None, 50))
    assert {item.owner for item in page.items[:40]} == {"a", "b"}
    recorder.calls.clear()
    rest = backend.query(Query(where, (), page.position, 50))
    assert {item.owner for item in rest.items} == {"c"}
    assert recorder.operations == ["Query"]
    assert recorder.calls[0][1]["ExclusiveStartKey"]["owner"] == {"S": "c"}


def test_a_deleted_item_is_still_a_valid_position(pairs: dict[str, Pair]) -> None:
    pair = pairs["parcel"]
    where = resolve_filter(PARCEL, P.owner.oneof(["a", "b"]))
    page = pair.dynamodb.query(Query(where, (), None, 7))
    assert page.position is not None
    assert page.position.keys() == {"id", "owner", "at"}
    keys = resolve_filter(PARCEL, P.id.oneof(["000", "037", "074"]))
    found = pair.dynamodb.query(Query(keys, (), {"id": "030"}, 7))
    assert [item.id for item in found.items] == ["037", "074"]


@pytest.mark.parametrize(
    ("given", "position"),
    [
        (P.owner.oneof(["a", "b"]), {"id": "1", "owner": "c", "at": NEW_YEAR}),
        (P.owner.oneof(["a", "b"]), {"id": "1", "owner": "a"}),
        (P.owner.oneof(["a", "b"]), {}),
        (P.owner == "a", {"id": "1", "owner": "a", "at": NEW_YEAR, "level": 1}),
        (P.count == 1, {"id": "1", "owner": "a"}),
        (P.id.oneof(["1", "2"]), {"id": "1", "owner": "a"}),
        (P.id.oneof(["1", "2"]), {}),
        ((P.owner == "a") | (P.level == 1), {"id": "1", "level": 1, "owner": "b", "text": "x"}),
    ],
)
def test_a_position_of_another_plan_is_an_invalid_cursor(
    pairs: dict[str, Pair], given: Any, position: dict[str, Any]
) -> None:
    recorder, backend = opened(pairs["parcel"])
    with pytest.raises(InvalidCursor):
        backend.query(Query(resolve_filter(PARCEL, given), (), position, 5, allow_scan=True))
    assert recorder.calls == []


COUNTS: dict[str, tuple[Any, list[str], int]] = {
    # where → requests, the number of those that only count
    "an index": (P.owner == "a", A_QUERY, 1),
    "several partitions": (P.owner.oneof(["a", "b"]), TWO, 2),
    "overlapping arms": ((P.owner == "a") | (P.level == 2), TWO, 1),
    "disjoint arms": (((P.owner == "a") & (P.count > 1)) | (P.owner == "b"), TWO, 2),
    "a filter that is evaluated locally": ((P.owner == "a") & (CITY == "Rome"), A_QUERY, 0),
    "a key": (P.id == "037", ["GetItem"], 0),
    "everything": (None, FILTERED_SCAN, 1),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_takes(pairs: dict[str, Pair], name: str) -> None:
    given, operations, counted = COUNTS[name]
    recorder, backend = opened(pairs["parcel"])
    where = resolve_filter(PARCEL, given)
    assert backend.count(where) == pairs["parcel"].memory.count(where)
    assert sorted(recorder.operations) == operations
    payloads = [payload for operation, payload in recorder.calls if operation != "DescribeTable"]
    assert sum(payload.get("Select") == "COUNT" for payload in payloads) == counted
    assert all(("Select" in payload) is not ("ProjectionExpression" in payload) for payload in payloads)


def test_an_aggregate_fetches_only_the_attributes_that_it_measures(pairs: dict[str, Pair]) -> None:
    recorder, backend = opened(pairs["parcel"])
    where = resolve_filter(PARCEL, (P.owner == "a") & P.text.endswith("b"))
    measures = (COUNT, Aggregate("sum", "price"))
    expected = pairs["parcel"].memory.aggregate(measures, ("color",), where)
    assert sorted(backend.aggregate(measures, ("color",), where), key=repr) == sorted(expected, key=repr)
    [(_, payload)] = recorder.calls
    names = [payload["ExpressionAttributeNames"][place] for place in payload["ProjectionExpression"].split(", ")]
    assert sorted(names) == ["color", "id", "price", "text"]


ENDS: dict[str, tuple[Any, tuple[Aggregate, ...], list[int | None]]] = {
    # where, measures → the limit of each query
    "both ends of an index": (P.owner == "a", (Aggregate("min", "at"), Aggregate("max", "at")), [3, 3]),
    "the end of several partitions": (P.owner.oneof(["a", "b"]), (Aggregate("max", "at"),), [3, 3]),
    "the end of an empty partition": (P.owner == "nobody", (Aggregate("max", "at"),), [3]),
    "a filtered query": ((P.owner == "a") & (P.count > 0), (Aggregate("min", "at"),), [None]),
    "a measure that is not an end": (P.owner == "a", (Aggregate("min", "at"), Aggregate("sum", "count")), [None]),
    "an attribute that no index orders": (P.owner == "a", (Aggregate("max", "price"),), [None]),
}


@pytest.mark.parametrize("name", ENDS)
def test_least_and_greatest_values_are_at_the_ends_of_an_index(pairs: dict[str, Pair], name: str) -> None:
    given, measures, limits = ENDS[name]
    where = resolve_filter(PARCEL, given)
    recorder, backend = opened(pairs["parcel"])
    assert backend.aggregate(measures, (), where) == pairs["parcel"].memory.aggregate(measures, (), where)
    first = [payload for operation, payload in recorder.calls if "ExclusiveStartKey" not in payload]
    assert [payload.get("Limit") for payload in first] == limits


def test_an_aggregate_of_too_many_groups_ends(pairs: dict[str, Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "MAX_GROUPS", 5)
    with pytest.raises(TooManyGroups):
        pairs["parcel"].dynamodb.aggregate((COUNT,), ("id",), ALL)


def test_only_selected_attributes_are_fetched(pairs: dict[str, Pair]) -> None:
    recorder, backend = opened(pairs["parcel"])
    for given in (P.owner == "a", P.id == "037", P.id.oneof(["037", "074"])):
        backend.query(Query(resolve_filter(PARCEL, given), resolve_order(PARCEL, "count"), None, 5, select=("text",)))
    for _, payload in payloads_of(recorder):
        names = [payload["ExpressionAttributeNames"][place] for place in payload["ProjectionExpression"].split(", ")]
        assert sorted(names) == ["count", "id", "text"]


class Sparse:
    """A large table. Each request reads some items, none of which matches."""

    def __init__(self, requests: int) -> None:
        self.limits: list[int] = []
        self._requests = requests

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **how: Any) -> Any:
        self.limits.append(payload["Limit"])
        more = len(self.limits) < self._requests
        return Found(LastEvaluatedKey={"id": {"S": str(len(self.limits))}} if more else None)


def test_each_request_for_a_page_reads_more_items_up_to_the_limit_of_dynamodb(pairs: dict[str, Pair]) -> None:
    table = Sparse(60)
    backend = DynamoDbEngine(cast("Transport", table), "reads", "test", Options()).open(PARCEL)
    assert backend.query(Query(resolve_filter(PARCEL, P.count == 1), (), None, 5, allow_scan=True)).items == []
    first, second, *later = table.limits
    assert 5 < first < second < max(later) < 2**31
    assert len(table.limits) == 60


SCANS: dict[str, tuple[Any, Any]] = {
    "a filter": (P.count == 1, None),
    "an order": (None, "count"),
    "an arm of an or": ((P.owner == "a") | (P.count == 1), None),
    "too many values": (P.owner.oneof([str(number) for number in range(101)]), None),
}
ADVICE: dict[str, list[str] | None] = {
    "a filter": ["count"],
    "an order": None,
    "an arm of an or": ["count"],
    "too many values": None,
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_of_a_large_table_has_to_be_allowed(pairs: dict[str, Pair], name: str) -> None:
    given, terms = SCANS[name]
    where, order = resolve_filter(PARCEL, given), resolve_order(PARCEL, terms)
    recorder, backend = opened(pairs["parcel"], max_scan=59)
    with pytest.raises(ScanNotAllowed) as caught:
        backend.query(Query(where, order, None, 5))
    assert caught.value.details == {"items": 60, "index": ADVICE[name]}
    assert recorder.operations == ["DescribeTable"]
    expected = pairs["parcel"].memory.count(where)
    assert len(backend.query(Query(where, order, None, 100, allow_scan=True)).items) == expected
    _, allowing = opened(pairs["parcel"], max_scan=60)
    assert len(allowing.query(Query(where, order, None, 100)).items) == expected


def test_counts_and_aggregates_of_a_large_table_have_to_be_allowed(pairs: dict[str, Pair]) -> None:
    _, backend = opened(pairs["parcel"], max_scan=59)
    for call in (
        lambda **more: backend.count(ALL, **more),
        lambda **more: backend.aggregate((COUNT,), (), ALL, **more),
    ):
        with pytest.raises(ScanNotAllowed):
            call()
        call(allow_scan=True)
    measures = (Aggregate("max", "count"),)
    with pytest.raises(ScanNotAllowed):
        backend.aggregate(measures, (), ALL)
    assert backend.aggregate(measures, (), ALL, allow_scan=True)[0].values == (3,)


def test_a_bounded_query_of_a_large_table_is_always_allowed(pairs: dict[str, Pair]) -> None:
    recorder, backend = opened(pairs["parcel"], max_scan=0)
    assert len(backend.query(Query(ALL, (), None, 5)).items) == 5
    assert len(walk(backend, ALL, (), 25)) == 60
    assert backend.count(resolve_filter(PARCEL, P.owner == "a")) == 20
    assert "DescribeTable" not in recorder.operations


def test_the_size_of_a_table_is_read_once(pairs: dict[str, Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, backend = opened(pairs["parcel"])
    for _ in range(3):
        backend.count(ALL)
    assert recorder.operations.count("DescribeTable") == 1
    later = statistics.monotonic() + statistics.REMEMBERED
    monkeypatch.setattr(statistics, "monotonic", lambda: later)
    backend.count(ALL)
    assert recorder.operations.count("DescribeTable") == 2


class Large(Recorder):
    """A table whose description says that it is large."""

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **how: Any) -> Any:
        answer = super().call(operation, payload, shape, **how)
        if operation == "DescribeTable":
            answer.Table.TableSizeBytes = 3 * page_requests.SEGMENT
        return answer


def test_a_large_table_is_scanned_by_segments_where_all_of_it_is_seen(pairs: dict[str, Pair]) -> None:
    pair = pairs["parcel"]
    recorder = Large(pair.recorder)
    backend = DynamoDbEngine(recorder, "reads", "test").open(PARCEL)
    where, order = resolve_filter(PARCEL, P.count > 0), resolve_order(PARCEL, ["price", "-count"])
    assert backend.count(where) == pair.memory.count(where)
    assert backend.query(Query(where, order, None, 9)).items == pair.memory.query(Query(where, order, None, 9)).items
    measures = (Aggregate("sum", "count"),)
    assert backend.aggregate(measures, (), where) == pair.memory.aggregate(measures, (), where)
    scans = [payload for operation, payload in recorder.calls if operation == "Scan"]
    assert [scan["TotalSegments"] for scan in scans] == [3] * 9
    assert sorted(scan["Segment"] for scan in scans) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    recorder.calls.clear()
    assert len(backend.query(Query(where, (), None, 9)).items) == 9
    assert len(backend.query(Query(ALL, (), None, 9)).items) == 9
    assert all("Segment" not in payload for _, payload in recorder.calls)


class Failing(Recorder):
    """The third query fails."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.numbers = count()  # `next` is atomic: calls come from several threads

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, **how: Any) -> Any:
        if next(self.numbers) >= 2:
            raise PersistyError("no more")
        return super().call(operation, payload, shape, **how)


def test_an_error_in_one_query_of_a_union_ends_the_union(pairs: dict[str, Pair]) -> None:
    where = resolve_filter(PARCEL, P.owner.oneof(["a", "b", "c"]))
    for call in (
        lambda backend: backend.count(where),
        lambda backend: backend.query(Query(where, (), None, 50)),
        lambda backend: backend.query(Query(where, resolve_order(PARCEL, "at"), None, 50)),
        lambda backend: backend.query(Query(where, resolve_order(PARCEL, "price"), None, 50)),
    ):
        backend = DynamoDbEngine(Failing(pairs["parcel"].recorder), "reads", "test").open(PARCEL)
        with pytest.raises(PersistyError, match="no more"):
            call(backend)


def test_keys_are_read_in_their_order_only_until_a_page_is_full(pairs: dict[str, Pair]) -> None:
    recorder, backend = opened(pairs["parcel"])
    where = resolve_filter(PARCEL, P.id.oneof([f"{number:03}" for number in reversed(range(250))]))
    first = backend.query(Query(where, (), None, 2))
    assert recorder.operations == ["BatchGetItem"]
    found = walk(backend, where, (), 7)
    assert found[:2] == first.items
    assert [item.id for item in found] == sorted(item.id for item in found)
    assert len(found) == 60


def test_a_bulk_change_processes_no_item_twice_even_if_it_moves_items(moto_endpoint: str) -> None:
    pair = Pair(url_of(moto_endpoint), PARCEL, parcels(), stage="bulk")
    where = resolve_filter(PARCEL, P.owner.oneof(["a", "b"]) & (P.level.is_null() | (P.level != 9)))
    before = {item.id: item.count for item in walk(pair.memory, where, (), 1000)}
    after: Any = None
    while True:
        bulk = pair.dynamodb.write_all(BulkWrite({"owner": "b", "count": Add(1)}, where, after, 7, allow_scan=True))
        after = bulk.position
        if after is None:
            break
    counts = {item.id: item.count for item in walk(pair.dynamodb, resolve_filter(PARCEL, P.owner == "b"), (), 100)}
    assert counts == {key: count + 1 for key, count in before.items()}
    pair.engine.close()


LARGE_PAGES: dict[str, tuple[Any, Any]] = {
    "an index": (P.owner == "a", None),
    "an index in order": (P.owner == "a", "-at"),
    "an order that is made here": (P.owner == "a", "price"),
    "several queries": (P.owner.oneof(["a", "b"]), None),
    "several queries in order": (P.owner.oneof(["a", "b"]), "-at"),
    "several keys": (P.id.oneof([f"{n * 37 % 101:03}" for n in range(30)]), None),
    "a scan": (None, None),
}


@pytest.mark.parametrize("name", LARGE_PAGES)
def test_items_are_measured_only_if_the_responses_are_larger_than_a_page_may_be(
    pairs: dict[str, Pair], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given, terms = LARGE_PAGES[name]
    where, order = resolve_filter(PARCEL, given), resolve_order(PARCEL, terms)
    measured: list[int] = []

    def items_of_page(meta: Any, items: Any, max_bytes: Any) -> int:
        measured.append(len(items))
        return 25

    monkeypatch.setattr(page_requests, "items_of_page", items_of_page)
    backend = pairs["parcel"].dynamodb
    whole = backend.query(Query(where, order, None, 100))
    assert (len(whole.items) >= 20, whole.position, measured) == (True, None, [])
    backend.query(Query(where, order, None, 100, max_bytes=1_000))
    assert measured


def test_pages_of_several_values_are_measured_only_if_the_responses_may_be_too_large(
    pairs: dict[str, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    monkeypatch.setattr(reads, "size_of_all", lambda meta, items: measured.append(len(items)) or 0)
    backend = pairs["parcel"].dynamodb
    backend.query_each("owner", ["a", "b"], Query(limit=50))
    assert measured == []
    backend.query_each("owner", ["a", "b"], Query(limit=50, max_bytes=1_000))
    assert sorted(measured) == [20, 20]
