"""The messages of changes say what has changed, once."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from persisty import Attr, meta_of, stored
from persisty.model.schema_changes import changes_of


class State(enum.Enum):
    DRAFT = "draft"
    DONE = "done"


class Renamed(enum.Enum):
    NEW = "draft"
    DONE = "done"


class Grade(enum.IntEnum):
    LOW = 1


class RenamedGrade(enum.IntEnum):
    SMALL = 1


class Fewer(enum.Enum):
    DRAFT = "draft"


@stored(name="note")
class Before:
    id: str
    state: State
    grade: Grade
    title: Annotated[str, Meta(max_length=20)]
    price: Decimal = Decimal("1.50")


def messages(after: type[object]) -> list[str]:
    return [one.message for one in changes_of(meta_of(Before).schema, meta_of(after), "sqlite")]


def test_a_member_of_an_enum_with_another_name_and_the_same_value_is_no_change() -> None:
    @stored(name="note")
    class After:
        id: str
        state: Renamed
        grade: RenamedGrade
        title: Annotated[str, Meta(max_length=20)]
        price: Decimal = Decimal("1.50")

    assert messages(After) == []


def test_constraints_members_and_defaults_are_shown_with_their_values() -> None:
    @stored(name="note")
    class After:
        id: str
        state: Fewer
        grade: Grade
        title: Annotated[str, Meta(max_length=40, pattern="^a")]
        price: Decimal = Decimal("2.70")
        tax: Decimal = Decimal("0.5")

    assert messages(After) == [
        "state no longer has done: each stored value is checked",
        "title has other constraints (max_length is 40 now, was 20, pattern is ^a now, was None): they apply to new values",
        "price defaults to 2.70 now: stored items keep their values",
        "tax is new: stored items read with 0.5",
    ]


def test_a_former_name_that_was_never_stored_is_named() -> None:
    @stored(name="note")
    class After:
        id: str
        state: State
        grade: Grade
        title: Annotated[str, Meta(max_length=20)]
        price: Decimal = Decimal("1.50")
        rank: int = Attr(default=3, former_names="rnak")

    assert messages(After) == [
        "rank is new, and no attribute rnak, its former name, is stored: stored items read with 3"
    ]
