"""Every operator over dirty data: the engine, persisty's own matcher and an independent oracle agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings

from persisty import Filter, InvalidQuery, Store
from persisty.query.resolution import MAX_LEVELS

from .dirty import DOMAINS, NEW_YORK, TEXTS, TOKYO, rows
from .generated import FILTERS
from .items import Color, Level, Specimen
from .oracle import holds

S = Specimen
U: Any = Specimen
"""For filters that a type checker rejects."""
ROWS = rows()
HOLDS: dict[str, tuple[Any, Callable[[dict[str, Any]], bool]]] = {
    "text eq": (S.text == "a", lambda r: r["text"] == "a"),
    "text eq empty": (S.text == "", lambda r: r["text"] == ""),
    "text eq NUL": (S.text == "\0", lambda r: r["text"] == "\0"),
    "text eq none": (S.text == None, lambda r: r["text"] is None),  # noqa: E711
    "text ne none": (S.text != None, lambda r: r["text"] is not None),  # noqa: E711
    "text eq quote": (S.text == "'; DROP TABLE specimen; --", lambda r: r["text"] == "'; DROP TABLE specimen; --"),
    "text eq composed is not decomposed": (S.text == "ä", lambda r: r["text"] == "\u00e4"),
    "text ne is true for null": (S.text != "a", lambda r: r["text"] != "a"),
    "text lt by code point": (S.text < "a", lambda r: r["text"] is not None and r["text"] < "a"),
    "text le": (S.text <= "", lambda r: r["text"] == ""),
    "text gt astral": (S.text > "\uffff", lambda r: r["text"] is not None and r["text"] > "\uffff"),
    "text ge": (S.text >= "😀", lambda r: r["text"] is not None and r["text"] >= "😀"),
    "text lt NUL": (S.text < "\0", lambda r: r["text"] == ""),
    "text contains percent": (S.text.contains("%"), lambda r: "%" in (r["text"] or "")),
    "text contains underscore": (S.text.contains("_"), lambda r: "_" in (r["text"] or "")),
    "text contains backslash": (S.text.contains("\\"), lambda r: "\\" in (r["text"] or "")),
    "text contains NUL": (S.text.contains("\0"), lambda r: "\0" in (r["text"] or "")),
    "text contains upper": (S.text.contains("A"), lambda r: "A" in (r["text"] or "")),
    "text contains empty": (S.text.contains(""), lambda r: r["text"] is not None),
    "text contains astral": (S.text.contains("😀"), lambda r: "😀" in (r["text"] or "")),
    "text startswith": (S.text.startswith("a"), lambda r: (r["text"] or "").startswith("a")),
    "text startswith empty": (S.text.startswith(""), lambda r: r["text"] is not None),
    "text startswith percent": (S.text.startswith("%"), lambda r: r["text"] == "%"),
    "text startswith NUL": (S.text.startswith("\0"), lambda r: (r["text"] or "").startswith("\0")),
    "text startswith last character": (S.text.startswith("\U0010ffff"), lambda r: r["text"] == "\U0010ffff"),
    "text startswith before surrogates": (S.text.startswith("日本"), lambda r: (r["text"] or "").startswith("日本")),
    "text endswith": (S.text.endswith("b"), lambda r: (r["text"] or "").endswith("b")),
    "text endswith NUL": (S.text.endswith("\0"), lambda r: (r["text"] or "").endswith("\0")),
    "text endswith empty": (S.text.endswith(""), lambda r: r["text"] is not None),
    "text icontains": (S.text.icontains("A"), lambda r: "a" in (r["text"] or "").casefold()),
    "text icontains sharp s": (S.text.icontains("ß"), lambda r: "ss" in (r["text"] or "").casefold()),
    "text icontains i": (S.text.icontains("ISTANBUL"), lambda r: r["text"] == "istanbul"),
    "text icontains empty": (S.text.icontains(""), lambda r: r["text"] is not None),
    "text not contains": (~S.text.contains("a"), lambda r: "a" not in (r["text"] or "")),
    "text not startswith": (~S.text.startswith("a"), lambda r: not (r["text"] or "").startswith("a")),
    "text not endswith": (~S.text.endswith("a"), lambda r: not (r["text"] or "").endswith("a")),
    "text not icontains": (~S.text.icontains("a"), lambda r: "a" not in (r["text"] or "").casefold()),
    "text oneof": (S.text.oneof(["", "%", "nowhere", "\0"]), lambda r: r["text"] in ("", "%", "\0")),
    "text oneof with none": (S.text.oneof(["a", None]), lambda r: r["text"] in ("a", None)),
    "text oneof of one": (S.text.oneof(["a"]), lambda r: r["text"] == "a"),
    "text oneof of none only": (S.text.oneof([None]), lambda r: r["text"] is None),
    "text oneof nothing": (S.text.oneof([]), lambda r: False),
    "text not oneof": (~S.text.oneof(["a", "b"]), lambda r: r["text"] not in ("a", "b")),
    "text not oneof with none": (~S.text.oneof(["a", None]), lambda r: r["text"] not in ("a", None)),
    "text not oneof nothing": (~S.text.oneof([]), lambda r: True),
    "text oneof many": (S.text.oneof([*map(str, range(250)), "%"]), lambda r: r["text"] in ("%", "0", "9", "10", "100")),
    "text is null": (S.text.is_null(), lambda r: r["text"] is None),
    "text is not null": (S.text.is_null(False), lambda r: r["text"] is not None),
    "text not is null": (~S.text.is_null(), lambda r: r["text"] is not None),
    "count eq big": (S.count == 2**53 + 1, lambda r: r["count"] == 2**53 + 1),
    "count lt": (S.count < 0, lambda r: r["count"] is not None and r["count"] < 0),
    "count ge": (S.count >= 2**53 + 1, lambda r: r["count"] in (2**53 + 1, 2**63 - 1)),
    "count gt maximum": (S.count > 2**63 - 1, lambda r: False),
    "count le minimum": (S.count <= -(2**63), lambda r: r["count"] == -(2**63)),
    "count not lt is true for null": (~(S.count < 0), lambda r: r["count"] is None or r["count"] >= 0),
    "count not ge": (~(S.count >= 10), lambda r: r["count"] is None or r["count"] < 10),
    "count numeric, not textual": (S.count < 9, lambda r: r["count"] is not None and r["count"] < 9),
    "count range": ((S.count >= 1) & (S.count < 10), lambda r: r["count"] in (1, 2, 9)),
    "count empty range": ((S.count > 10) & (S.count < 1), lambda r: False),
    "ratio eq": (S.ratio == 0.1 + 0.2, lambda r: r["ratio"] == 0.1 + 0.2),
    "ratio ne": (S.ratio != 0.3, lambda r: r["ratio"] != 0.3),
    "ratio gt": (S.ratio > 0, lambda r: r["ratio"] is not None and r["ratio"] > 0),
    "ratio le": (S.ratio <= -0.1, lambda r: r["ratio"] is not None and r["ratio"] <= -0.1),
    "ratio oneof": (S.ratio.oneof([1, 0.1]), lambda r: r["ratio"] in (1.0, 0.1)),
    "done eq": (S.done == True, lambda r: r["done"] is True),  # noqa: E712
    "done ne": (S.done != True, lambda r: r["done"] is not True),  # noqa: E712
    "done oneof": (S.done.oneof([True, False]), lambda r: r["done"] is not None),
    "at eq in another zone": (
        S.at == datetime(2025, 12, 31, 19, tzinfo=NEW_YORK),
        lambda r: r["at"] == datetime(2026, 1, 1, tzinfo=UTC),
    ),
    "at gt by a microsecond": (
        S.at > datetime(2026, 1, 1, tzinfo=UTC),
        lambda r: r["at"] is not None and r["at"] - datetime(2026, 1, 1, tzinfo=UTC) >= timedelta(microseconds=1),
    ),
    "at lt": (S.at < datetime(1970, 1, 1, tzinfo=UTC), lambda r: r["at"] is not None and r["at"].year < 1970),
    "day ge": (S.day >= date(2025, 12, 31), lambda r: r["day"] is not None and r["day"].year in (2025, 2026, 9999)),
    "day ne": (S.day != date(2024, 2, 29), lambda r: r["day"] != date(2024, 2, 29)),
    "ref eq": (S.ref == UUID(int=1), lambda r: r["ref"] == UUID(int=1)),
    "ref eq as text": (S.ref == str(UUID(int=1)), lambda r: r["ref"] == UUID(int=1)),
    "ref gt": (S.ref > UUID(int=1), lambda r: r["ref"] is not None and r["ref"].int > 1),
    "price eq": (S.price == Decimal("0.10"), lambda r: r["price"] == Decimal("0.1")),
    "price eq exponent": (S.price == Decimal("10.00"), lambda r: r["price"] == 10),
    "price lt": (S.price < Decimal(10), lambda r: r["price"] is not None and r["price"] < 10),
    "price ge": (S.price >= Decimal("99.99"), lambda r: r["price"] is not None and r["price"] >= Decimal("99.99")),
    "price oneof": (S.price.oneof([Decimal("1E+1"), Decimal(9)]), lambda r: r["price"] in (9, 10)),
    "price not oneof": (~S.price.oneof([Decimal(10), Decimal(9)]), lambda r: r["price"] not in (9, 10)),
    "color eq": (S.color == Color.BLUE, lambda r: r["color"] is Color.BLUE),
    "color ne": (S.color != Color.BLUE, lambda r: r["color"] is not Color.BLUE),
    "color oneof": (S.color.oneof([Color.RED, Color.GREEN]), lambda r: r["color"] in (Color.RED, Color.GREEN)),
    "level eq": (S.level == Level.LOW, lambda r: r["level"] is Level.LOW),
    "level oneof": (S.level.oneof([Level.HIGH, Level.LOW]), lambda r: r["level"] in (Level.HIGH, Level.LOW)),
    "blob eq": (S.blob == b"\0", lambda r: r["blob"] == b"\0"),
    "blob gt": (S.blob > b"\x7f", lambda r: r["blob"] is not None and r["blob"] > b"\x7f"),
    "size eq": (S.size == "m", lambda r: r["size"] == "m"),
    "size is compared as text": (S.size > "l", lambda r: r["size"] in ("m", "s")),
    "size startswith": (S.size.startswith("s"), lambda r: r["size"] == "s"),
    "size oneof with an impossible value": (S.size.oneof(["xl", "s"]), lambda r: r["size"] == "s"),
    "grade is compared as a number": (S.grade < 2, lambda r: r["grade"] in (-1, 1)),
    "grade ne an impossible value": (S.grade != 77, lambda r: True),
    "extra is null": (S.extra.is_null(), lambda r: r["extra"] is None),
    "place is not null": (S.place.is_null(False), lambda r: r["place"] is not None),
    "tags is null": (S.tags.is_null(), lambda r: False),
    "nested eq": (S.place.city == "Zürich", lambda r: r["place"] is not None and r["place"].city == "Zürich"),
    "nested eq empty": (S.place.city == "", lambda r: r["place"] is not None and r["place"].city == ""),
    "nested eq with U+0000": (S.place.city == "\0a\0", lambda r: r["place"] is not None and r["place"].city == "\0a\0"),
    "nested startswith U+0000": (
        S.place.city.startswith("\0"),
        lambda r: r["place"] is not None and r["place"].city.startswith("\0"),
    ),
    "nested ne is true for null": (S.place.city != "Zürich", lambda r: r["place"] is None or r["place"].city != "Zürich"),
    "nested lt": (S.place.city < "a", lambda r: r["place"] is not None and r["place"].city < "a"),
    "nested ge": (S.place.height >= 408.5, lambda r: r["place"] is not None and (r["place"].height or 0) >= 408.5),
    "nested oneof": (S.place.city.oneof(["", "x"]), lambda r: r["place"] is not None and r["place"].city in ("", "x")),
    "nested icontains": (S.place.city.icontains("ÜR"), lambda r: r["place"] is not None and "ür" in r["place"].city),
    "nested null is of the field or of all above": (
        S.place.height.is_null(),
        lambda r: r["place"] is None or r["place"].height is None,
    ),
    "nested not null": (S.place.height.is_null(False), lambda r: r["place"] is not None and r["place"].height is not None),
    "nested and indexed": (
        (S.color == Color.RED) & (S.place.city != ""),
        lambda r: r["color"] is Color.RED and (r["place"] is None or r["place"].city != ""),
    ),
    "not nested": (
        ~((S.place.city == "Zürich") & (S.count > 0)),
        lambda r: not (r["place"] is not None and r["place"].city == "Zürich" and (r["count"] or 0) > 0),
    ),
    "id eq": (S.id == "001", lambda r: r["id"] == "001"),
    "id range": ((S.id >= "010") & (S.id < "020"), lambda r: r["id"][:2] == "01"),
    "key and filter": ((S.id == "001") & (S.text != "x"), lambda r: r["id"] == "001" and r["text"] != "x"),
    "and": ((S.text > "a") & (S.count > 0), lambda r: (r["text"] or "") > "a" and (r["count"] or 0) > 0),
    "indexed, with a null": (
        (S.color == Color.RED) & S.at.is_null(),
        lambda r: r["color"] is Color.RED and r["at"] is None,
    ),
    "indexed, range over the sort attribute": (
        (S.color == Color.RED) & (S.at > datetime(2026, 1, 1, tzinfo=UTC)),
        lambda r: r["color"] is Color.RED and r["at"] is not None and r["at"] > datetime(2026, 1, 1, tzinfo=UTC),
    ),
    "indexed, three attributes": (
        (S.level == Level.HIGH) & (S.price > Decimal(0)) & (S.count <= 10),
        lambda r: r["level"] is Level.HIGH and (r["price"] or 0) > 0 and r["count"] is not None and r["count"] <= 10,
    ),
    "or": ((S.text == "a") | (S.count == 9), lambda r: r["text"] == "a" or r["count"] == 9),
    "or in and": (
        ((S.text == "a") | (S.done == True)) & ((S.count > 0) | S.count.is_null()),  # noqa: E712
        lambda r: (r["text"] == "a" or r["done"] is True) and (r["count"] is None or r["count"] > 0),
    ),
    "not and": (
        ~((S.count > 0) & (S.text > "a")),
        lambda r: not (r["count"] is not None and r["count"] > 0 and r["text"] is not None and r["text"] > "a"),
    ),
    "not or": (~((S.count == 0) | S.text.contains("a")), lambda r: r["count"] != 0 and "a" not in (r["text"] or "")),
    "not not": (~~(S.count > 0), lambda r: (r["count"] or 0) > 0),
    "contradiction": ((S.count == 1) & (S.count == 2), lambda r: False),
    "tautology": ((S.count == 1) | (S.count != 1), lambda r: True),
}  # fmt: skip


def names(found: Any) -> list[str]:
    return sorted(one.id for one in found)


def expected_rows(name: str) -> list[str]:
    expected = HOLDS[name][1]
    complete = [{**dict.fromkeys(DOMAINS), **row} for row in ROWS]
    return sorted(row["id"] for row in complete if expected(row))


@pytest.mark.parametrize("name", HOLDS)
def test_a_filter_returns_exactly_the_matching_rows(dirty: Store[Specimen], name: str) -> None:
    where, expected = HOLDS[name][0], expected_rows(name)
    assert names(dirty.search(where, limit=200)) == expected
    assert dirty.count(where) == len(expected)


@pytest.mark.parametrize("text", [text for text in TEXTS if text is not None], ids=ascii)
def test_a_filter_for_equality_finds_every_text(dirty: Store[Specimen], text: str) -> None:
    expected = sorted(row["id"] for row in ROWS if row.get("text") == text)
    assert names(dirty.search(Specimen.text == text, limit=200)) == expected


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(where=FILTERS)
def test_generated_filters_agree_with_the_oracle(dirty: Store[Specimen], where: Filter) -> None:
    expected = sorted(row["id"] for row in ROWS if holds(where, row))
    assert names(dirty.search(where, limit=200)) == expected


def test_a_large_filter_works_and_a_too_large_one_is_rejected(dirty: Store[Specimen]) -> None:
    texts = [*TEXTS, *map(str, range(2000, 2200))][:200]
    every = reduce(or_, [Specimen.text == text for text in texts])
    expected = sorted(row["id"] for row in ROWS)
    assert names(dirty.search(every, limit=200)) == expected
    assert dirty.count(~every) == 0
    numbers = [str(number) for number in range(999)]
    assert dirty.count(Specimen.text.oneof([*numbers, "%"])) == dirty.count(
        Specimen.text.oneof(["0", "9", "10", "100", "%"])
    )
    for where, what in (
        (every | (Specimen.count == 1), "comparisons"),
        (Specimen.text.oneof([*numbers, "%", "_"]), "values in oneof"),
    ):
        with pytest.raises(InvalidQuery) as caught:
            dirty.search(where)
        assert [(fault.path, fault.message) for fault in caught.value.faults] == [("/where", f"Too many {what}")]


def test_a_deep_filter_works_and_a_too_deep_one_is_rejected(dirty: Store[Specimen]) -> None:
    def nested(levels: int) -> Filter:
        where: Filter = Specimen.count.is_null()
        for level in range(levels):
            other = Specimen.count == level
            where = where & ~other if level % 2 else where | other
        return where

    deepest = nested(MAX_LEVELS - 1)
    assert names(dirty.search(deepest, limit=200)) == sorted(row["id"] for row in ROWS if holds(deepest, row))
    assert dirty.update_all({"count": 1}, deepest & (Specimen.id == "no such")).changed == 0
    for levels in (MAX_LEVELS + 1, 3_000):
        with pytest.raises(InvalidQuery, match="levels deep") as caught:
            dirty.search(nested(levels))
        assert [fault.path for fault in caught.value.faults] == ["/where"]


BAD: dict[str, tuple[Any, str]] = {
    "wrong type": (U.count == "many", "/where/count/eq"),
    "bool is no int": (U.count == True, "/where/count/eq"),  # noqa: E712
    "int beyond 64 bits": (S.count > 2**70, "/where/count/gt"),
    "naive datetime": (S.at > datetime(2026, 1, 1), "/where/at/gt"),
    "none has no order": (U.count > None, "/where/count/gt"),
    "not a number": (S.ratio.oneof([math.nan]), "/where/ratio/oneof"),
    "infinity": (S.ratio < math.inf, "/where/ratio/lt"),
    "operator of another kind": (U.count.contains("1"), "/where/count/contains"),
    "wrong type of a nested attribute": (S.place.height > "high", "/where/place.height/gt"),
    "json cannot be compared": (U.extra == {}, "/where/extra/eq"),
    "no such enum member": (U.color == "purple", "/where/color/eq"),
    "oneof of a text": (U.text.oneof("ab"), "/where/text/oneof"),
    "one of them": (S.text.is_null() & U.count.oneof([1, "x"]), "/where/and/1/count/oneof"),
    "a boolean": (True, "/where"),
    "no unicode text": (S.text == "\ud800", "/where/text/eq"),
    "no unicode prefix": (S.text.startswith("a\udfff"), "/where/text/startswith"),
    "datetime out of range": (S.at > datetime(1, 1, 1, tzinfo=TOKYO), "/where/at/gt"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_an_invalid_filter_is_rejected_with_its_path(dirty: Store[Specimen], name: str) -> None:
    where, path = BAD[name]
    for verb in (dirty.search, dirty.count, lambda one: list(dirty.search_all(one))):
        with pytest.raises(InvalidQuery) as caught:
            verb(where)
        assert [fault.path for fault in caught.value.faults] == [path]
        assert all(fault.message for fault in caught.value.faults)
