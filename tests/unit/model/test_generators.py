"""Identifiers, sequences and subjects."""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta

from persisty import (
    CREATED,
    SEQUENCE,
    SUBJECT,
    UPDATED,
    UUID4,
    UUID4_TEXT,
    UUID7,
    UUID7_TEXT,
    VERSION,
    App,
    Attr,
    Create,
    InvalidDeclaration,
    InvalidInput,
    acting_as,
    stored,
)
from persisty.model import schema_types
from persisty.model.compilation import compile_schema
from persisty.model.former_schemas import stored_form
from persisty.model.generators import OWNER, uuid4, uuid4s, uuid7
from persisty.model.schema import AttributeSchema, Schema


@stored(key="number")
class Ticket:
    number: int = Attr(generator=SEQUENCE)
    owner: str | None = Attr(generator=SUBJECT)
    title: str = "x"


@stored
class Event:
    id: UUID = Attr(generator=UUID7)
    text_id: str = Attr(generator=UUID7_TEXT)
    owner: str = Attr(generator=SUBJECT)


@pytest.mark.parametrize("make", [lambda count: [uuid4() for _ in range(count)], uuid4s])
def test_uuid4_is_a_random_uuid_like_that_of_the_standard_library(make: Callable[[int], list[UUID]]) -> None:
    made = make(2_000)
    assert len(made) == 2_000
    assert {(one.version, one.variant) for one in made} == {(4, uuid.RFC_4122)}
    assert len(set(made)) == len(made)
    assert {UUID(str(one)) for one in made} == set(made)
    assert pickle.loads(pickle.dumps(made[0])) == made[0]
    assert made[0].is_safe is uuid.SafeUUID.unknown


def test_uuid7_has_the_layout_of_the_rfc() -> None:
    before = datetime.now(UTC).timestamp()
    made = uuid7()
    after = datetime.now(UTC).timestamp()
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert int(before * 1000) <= made.int >> 80 <= int(after * 1000) + 1


def test_uuid7_sorts_by_time_and_never_repeats() -> None:
    made = [uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    times = [one.int >> 64 for one in made]
    assert times == sorted(times)


def test_uuid7_generates_keys_and_texts() -> None:
    store = App("events", items=[Event], url="memory://").store(Event)
    with acting_as("ann"):
        event = store.create(Event())
    assert event.id.version == UUID(event.text_id).version == 7


def test_a_sequence_numbers_only_items_without_a_number() -> None:
    store = App("tickets", items=[Ticket], url="memory://").store(Ticket)
    assert [store.create(Ticket()).number for _ in range(3)] == [1, 2, 3]
    assert store.create(Ticket(number=50)).number == 50
    results = store.edit_batch([Create(Ticket()), Create(Ticket(number=60)), Create(Ticket())], atomic=True)
    assert [one.item.number for one in results if one.item] == [61, 60, 62]


def test_an_invalid_item_gets_no_number() -> None:
    store = App("tickets", items=[Ticket], url="memory://").store(Ticket)
    with pytest.raises(InvalidInput):
        store.create({"title": 1})
    assert store.create(Ticket()).number == 1


def test_only_whole_numbers_are_sequences() -> None:
    with pytest.raises(InvalidDeclaration) as caught:

        @stored
        class Wrong:
            id: str
            name: str = Attr(generator=SEQUENCE)

    assert [fault.path for fault in caught.value.faults] == ["/name"]


def test_the_subject_is_that_of_the_current_thread() -> None:
    store = App("tickets", items=[Ticket], url="memory://").store(Ticket)
    assert store.create(Ticket()).owner is None
    with acting_as("ann"):
        with acting_as("bob"):
            assert store.create(Ticket()).owner == "bob"
        assert store.create(Ticket()).owner == "ann"
        found: list[str | None] = []
        thread = threading.Thread(target=lambda: found.append(store.create(Ticket()).owner))
        thread.start()
        thread.join()
        assert found == [None]


def test_an_item_that_needs_a_subject_is_not_created_without_one() -> None:
    store = App("events", items=[Event], url="memory://").store(Event)
    with pytest.raises(InvalidInput) as caught:
        store.create(Event())
    assert [fault.path for fault in caught.value.faults] == ["/owner"]


@pytest.mark.parametrize(
    ("generator", "types"),
    [
        (VERSION, (str, Decimal, float, bool, datetime, UUID, list[int], Literal[1, 2])),
        (SEQUENCE, (str, Decimal, float, bool)),
        (UUID4, (str, int, bytes)),
        (UUID7, (str, datetime)),
        (UUID4_TEXT, (UUID, int, Literal["a"], Annotated[str, Meta(max_length=10)])),
        (UUID7_TEXT, (UUID, Annotated[str, Meta(pattern="^x")])),
        (CREATED, (date, str, int, float)),
        (UPDATED, (date, str, UUID)),
        (SUBJECT, (int, bool, datetime, list[str])),
        (OWNER, (int, date)),
    ],
    ids=lambda one: one.name if hasattr(one, "name") else "",
)
def test_a_generator_on_an_attribute_of_another_type_is_a_mistake(generator: Any, types: tuple[Any, ...]) -> None:
    for type_ in types:
        with pytest.raises(InvalidDeclaration) as refused:
            _declared({"value": type_}, value=generator)
        (fault,) = refused.value.faults
        assert fault.path == "/value"
        assert generator.name in fault.message
        assert fault.found


@pytest.mark.parametrize("generator", [VERSION, SEQUENCE], ids=lambda one: one.name)
@pytest.mark.parametrize("bound", [{"le": 2}, {"lt": 100}, {"ge": 5}, {"gt": 1}, {"multiple_of": 2}], ids=str)
def test_a_bound_that_a_counter_would_exceed_is_a_mistake(generator: Any, bound: dict[str, int]) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        _declared({"value": Annotated[int, Meta(**bound)]}, value=generator)
    assert [fault.path for fault in refused.value.faults] == ["/value"]
    assert "counts from 1 without limit" in refused.value.faults[0].message


def test_an_item_has_one_version() -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        _declared({"value": int, "other": int}, value=VERSION, other=VERSION)
    assert [fault.path for fault in refused.value.faults] == ["/other"]
    assert "a second version of the item besides value" in refused.value.faults[0].message


@pytest.mark.parametrize(
    ("generator", "type_"),
    [
        (VERSION, Annotated[int, Meta(ge=1)]),
        (VERSION, int | None),
        (SEQUENCE, Annotated[int, Meta(gt=0)]),
        (UUID4, UUID),
        (UUID7_TEXT, Annotated[str, Meta(max_length=36)]),
        (UPDATED, datetime),
        (SUBJECT, UUID),
        (OWNER, str | None),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_generators_fit_their_types(generator: Any, type_: Any) -> None:
    _declared({"value": type_}, value=generator)


def _declared(types: dict[str, Any], **generators: Any) -> Any:
    annotations = {"id": str, **types}
    return stored(type("Item", (), {"__annotations__": annotations, "__module__": __name__, **generators}))


def test_a_former_declaration_with_a_generator_of_another_type_still_has_a_stored_form() -> None:
    types = {"version": schema_types.Number(), "number": schema_types.Integer(le=2)}
    attributes = (
        AttributeSchema(id="id", name="id", type=schema_types.String()),
        *(AttributeSchema(id=name, name=name, type=one, generator="version") for name, one in types.items()),
    )
    with pytest.raises(InvalidDeclaration):
        compile_schema(Schema(name="item", attributes=attributes))
    assert compile_schema(stored_form(Schema(name="item", attributes=attributes))).attributes.keys() == {"id", *types}
