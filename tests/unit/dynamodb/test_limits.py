"""Sizes as DynamoDB counts them, and items that are rejected before a request is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from msgspec import Meta, structs

from persisty import Attr, BatchTooLarge, Create, Index, InvalidInput, Store, Update, append, meta_of, stored
from persisty.backends.dynamodb.backend import DynamoDbBackend
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.limits import MAX_ITEM, MAX_TRANSACTION, Limits, size_of, value_size
from persisty.backends.memory import MemoryEngine
from persisty.store.backend import Delete, Patch, Put
from persisty.store.change_feed import Feed
from persisty.store.change_path import ChangePath, Transactions
from persisty.store.context import StoreContext

NUMBERS = {
    "0": 1, "1": 2, "12": 2, "123": 3, "-123": 4, "-12": 3, "1000": 2, "1001": 3, "10010": 4, "1.5": 3, "12.3": 3,
    "0.001": 2, "0.12": 2, "1E+5": 2, "1" * 38: 20, "-0": 1,
}  # fmt: skip
"""Number → its bytes, measured on DynamoDB Local by filling items up to the limit."""


@stored(key=("owner", "name"), indexes=[Index("topic", "title")])
class Sheet:
    owner: str
    name: str
    topic: str | None = None
    title: str | None = None
    body: str | None = None
    cells: list[str] = Attr(factory=list)
    price: Decimal | None = None


@stored(key="id")
class Small:
    id: Annotated[str, Meta(max_length=100)]
    text: Annotated[str, Meta(max_length=500)] = ""


@stored(key=("a", "b", "c"))
class Joined:
    a: str
    b: str
    c: str


META = meta_of(Sheet)
CODEC = WireCodec(META)
LIMITS = Limits(META, CODEC)


class Silent:
    """A transport that must not be called."""

    def call(self, operation: str, payload: dict[str, Any], shape: Any = None, **options: Any) -> Any:
        raise AssertionError(operation)

    def close(self) -> None: ...


def sheets() -> Store[Sheet]:
    backend = DynamoDbBackend(META, lambda _: "sheets", "app.system", Silent())
    feed = Feed()
    return Store(StoreContext(META, lambda: ChangePath(backend, Transactions(MemoryEngine(), feed), feed)))


def sheet(**values: Any) -> Sheet:
    return Sheet(**{"owner": "o", "name": "n", **values})


@pytest.mark.parametrize(("number", "size"), NUMBERS.items())
def test_the_size_of_a_number(number: str, size: int) -> None:
    assert value_size({"N": number}) == size


def test_the_size_of_other_values() -> None:
    assert value_size({"S": "é€\U0001f600"}) == 2 + 3 + 4
    assert value_size({"B": "AAEC"}) == 3
    assert [value_size({"L": cells}) for cells in ([], [{"S": "ab"}], [{"S": "ab"}, {"S": "c"}])] == [3, 6, 8]
    assert size_of({"id": {"S": "a"}, "n": {"N": "12"}}) == 3 + 3


def filled(over: int) -> Sheet:
    """Return an item of the largest size plus so many bytes."""
    empty = size_of(CODEC.wire(sheet(body="x"))) - 1
    return sheet(body="x" * (MAX_ITEM - empty + over))


def test_an_item_may_have_exactly_the_largest_size() -> None:
    LIMITS.check([Put(filled(0))], atomic=False)
    with pytest.raises(InvalidInput) as caught:
        LIMITS.check([Put(filled(1))], atomic=False)
    [fault] = caught.value.faults
    assert (fault.path, fault.expected, fault.found) == ("", "at most 409600 bytes", "409601 bytes")


def test_sizes_are_counted_in_bytes_and_not_in_characters() -> None:
    LIMITS.check([Put(sheet(body="x" * 300_000))], atomic=False)
    with pytest.raises(InvalidInput):
        LIMITS.check([Put(sheet(body="\U0001f600" * 110_000))], atomic=False)
    with pytest.raises(InvalidInput):
        LIMITS.check([Put(sheet(cells=["x" * 1000] * 500))], atomic=False)


def test_changes_that_cannot_fit_into_any_item() -> None:
    key = ("o", "n")
    for changes in ({"body": "x" * MAX_ITEM}, append_of(500_000)):
        with pytest.raises(InvalidInput):
            LIMITS.check([Patch(key, changes)], atomic=False)
    LIMITS.check([Patch(key, {"body": "x" * 300_000, "price": None}), Delete(key)], atomic=False)


def append_of(characters: int) -> dict[str, Any]:
    return {"cells": append("x" * characters)}


def test_keys_and_values_of_indexes_have_separate_limits() -> None:
    faults = {"owner": 2049, "name": 1025, "topic": 2049, "title": 1025}
    for name, length in faults.items():
        LIMITS.check([Put(sheet(**{name: "x" * (length - 1)}))], atomic=False)
        with pytest.raises(InvalidInput) as caught:
            LIMITS.check([Put(sheet(**{name: "x" * length}))], atomic=False)
        assert [fault.path for fault in caught.value.faults] == [f"/{name}"]
    with pytest.raises(InvalidInput) as caught:
        LIMITS.check([Patch(("o", "n"), {"topic": "é" * 1025, "title": "x" * 1025})], atomic=False)
    assert {fault.path for fault in caught.value.faults} == {"/topic", "/title"}


def test_the_joined_parts_of_a_key_have_one_limit() -> None:
    limits = Limits(meta_of(Joined), WireCodec(meta_of(Joined)))
    limits.check([Put(Joined(a="a", b="b" * 500, c="c" * 500))], atomic=False)
    with pytest.raises(InvalidInput):
        limits.check([Put(Joined(a="a", b="b" * 600, c="c" * 600))], atomic=False)


def test_every_fault_of_a_batch_names_its_edit_and_no_request_is_sent() -> None:
    store = sheets()
    for atomic in (False, True):
        with pytest.raises(InvalidInput) as caught:
            store.edit_batch(
                [
                    Create(sheet(title="x" * 2000)),
                    Create(sheet(name="fine")),
                    Update(("o", "p"), {"topic": "x" * 3000}),
                    Create(structs.replace(filled(9), name="q")),
                ],
                atomic=atomic,
            )
        assert [fault.path for fault in caught.value.faults] == [
            "/edits/0/item/title",
            "/edits/2/changes/topic",
            "/edits/3/item",
        ]
    with pytest.raises(InvalidInput) as caught:
        store.edit_batch([Create(sheet(title="x" * 2000))])
    assert [fault.path for fault in caught.value.faults] == ["/edits/0/item/title"]
    with pytest.raises(InvalidInput) as caught:
        store.create(sheet(title="x" * 2000))
    assert [fault.path for fault in caught.value.faults] == ["/title"]


def test_a_transaction_has_a_size() -> None:
    store = sheets()
    large = [Create(sheet(name=str(number), body="x" * 400_000)) for number in range(11)]
    with pytest.raises(BatchTooLarge) as caught:
        store.edit_batch(large, atomic=True)
    assert caught.value.details["limit"] == MAX_TRANSACTION
    LIMITS.check([Put(one.item) for one in large], atomic=False)
    LIMITS.check([Put(one.item) for one in large[:10]], atomic=True)


def test_an_item_of_small_types_is_not_measured() -> None:
    limits = Limits(meta_of(Small), WireCodec(meta_of(Small)))
    assert (limits._long, limits._bounded < MAX_ITEM) == ((), True)
