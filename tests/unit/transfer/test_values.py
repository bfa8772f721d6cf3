"""Text is converted to the attribute's type, or stays text if it cannot be converted."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import Meta

from persisty import App, meta_of, stored
from persisty.transfer.values import typed_values


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@stored
class Everything:
    id: str
    text: str | None = None
    count: Annotated[int, Meta(ge=0)] | None = None
    ratio: float | None = None
    done: bool = False
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    color: Color | None = None
    level: Level | None = None
    raw: bytes | None = None
    tags: list[str] | None = None


meta = meta_of(Everything)


def stored_as(given: dict[str, Any], **options: Any) -> Any:
    """Return the stored item of the row."""
    return (
        App("values", items=[Everything], url="memory://")
        .store(Everything)
        .create(typed_values(meta, **options)({"id": "1"} | given))
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "12", "12"),
        ("text", "", ""),
        ("count", "12", 12),
        ("ratio", "-6.5e3", -6500.0),
        ("ratio", "7", 7.0),
        ("done", "true", True),
        ("done", "0", False),
        ("at", "2024-02-29T12:00:00+02:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("day", "2024-02-29", date(2024, 2, 29)),
        ("ref", "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        ("price", "1.50", Decimal("1.5")),
        ("color", "red", Color.RED),
        ("level", "1", Level.LOW),
        ("raw", "AAE=", b"\x00\x01"),
        ("tags", '["a", "b"]', ["a", "b"]),
    ],
)
def test_the_text_of_a_cell_is_converted_to_the_type_of_its_attribute(name: str, text: str, value: object) -> None:
    item = stored_as({name: text}, json_text=True)
    assert getattr(item, name) == value
    assert type(getattr(item, name)) is type(value)


@pytest.mark.parametrize("name", ["count", "ratio", "done", "level", "tags"])
@pytest.mark.parametrize("text", ["", "abc", "1 2", "\uff10", "[1", "1_0"])
def test_text_that_cannot_be_converted_is_left_to_validation(name: str, text: str) -> None:
    assert typed_values(meta, json_text=True)({name: text}) == {name: text}


def test_a_value_that_breaks_a_constraint_is_converted_anyway() -> None:
    assert typed_values(meta)({"count": "-1"}) == {"count": -1}


def test_further_texts_of_booleans_are_exactly_the_given_ones() -> None:
    typed = typed_values(meta, truths={"Y": True, "N": False})
    assert [typed({"done": text})["done"] for text in ("Y", "N", "n", "true")] == [True, False, "n", True]


def test_text_in_json_lines_is_read_as_in_urls_but_never_as_json() -> None:
    assert typed_values(meta)({"count": "12", "tags": '["a"]'}) == {"count": 12, "tags": '["a"]'}
    assert typed_values(meta)({"count": 12, "tags": ["a"]}) == {"count": 12, "tags": ["a"]}


def test_null_is_left_out_for_an_attribute_that_cannot_be_null() -> None:
    assert typed_values(meta)({"text": None, "done": None}) == {"text": None}
    assert stored_as({"text": None, "done": None}).done is False


def test_unknown_attributes_are_left_to_validation() -> None:
    assert typed_values(meta)({"nonsense": "1", "nothing": None}) == {"nonsense": "1", "nothing": None}
