"""Identifiers, sequences and subjects."""

from __future__ import annotations

import pickle
import threading
import uuid
from datetime import UTC, datetime
from uuid import UUID

import pytest

from persisty import (
    SEQUENCE,
    SUBJECT,
    UUID7,
    UUID7_TEXT,
    App,
    Attr,
    Create,
    InvalidDeclaration,
    InvalidInput,
    acting_as,
    stored,
)
from persisty.model.generators import uuid4, uuid7


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


def test_uuid4_is_a_random_uuid_like_that_of_the_library() -> None:
    made = [uuid4() for _ in range(2_000)]
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


def test_uuid7_sorts_by_time_and_repeats_none() -> None:
    made = [uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    times = [one.int >> 64 for one in made]
    assert times == sorted(times)


def test_uuid7_generates_keys_and_texts() -> None:
    store = App("events", items=[Event], url="memory://").store(Event)
    with acting_as("ann"):
        event = store.create(Event())
    assert event.id.version == UUID(event.text_id).version == 7


def test_a_sequence_numbers_items_and_leaves_those_alone_that_have_a_number() -> None:
    store = App("tickets", items=[Ticket], url="memory://").store(Ticket)
    assert [store.create(Ticket()).number for _ in range(3)] == [1, 2, 3]
    assert store.create(Ticket(number=50)).number == 50
    results = store.edit_batch([Create(Ticket()), Create(Ticket(number=60)), Create(Ticket())], atomic=True)
    assert [one.item.number for one in results if one.item] == [4, 60, 5]


def test_an_invalid_item_takes_no_number() -> None:
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


def test_the_subject_is_who_acts_in_this_thread() -> None:
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


def test_an_item_that_needs_a_subject_is_not_created_without() -> None:
    store = App("events", items=[Event], url="memory://").store(Event)
    with pytest.raises(InvalidInput) as caught:
        store.create(Event())
    assert [fault.path for fault in caught.value.faults] == ["/owner"]
