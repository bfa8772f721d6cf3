"""Filters from outside: JSON and the parameters of a URL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from time import process_time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import Filter, InvalidQuery, meta_of, stored
from persisty.model.expressions import ALL, NOTHING, And, Compare, Not, Text
from persisty.query.filter_parsing import MAX_DEPTH, filter_of_json, filter_of_parameters
from persisty.query.resolution import resolve_filter
from persisty.query.visibility import View

from .items import META, Color, Thing

T: Any = Thing
CITY = T.place.city
KEY = str(UUID(int=1))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ALL),
        ({}, ALL),
        ({"count": {}}, ALL),
        ({"count": {"eq": 1}}, T.count == 1),
        ({"count": {"ge": 1, "lt": 9}}, (T.count >= 1) & (T.count < 9)),
        ({"id": {"eq": KEY}, "color": {"ne": "red"}}, (T.id == KEY) & (T.color != Color.RED)),
        ({"at": {"gt": "2026-01-01T01:00:00+01:00"}}, T.at > datetime(2026, 1, 1, tzinfo=UTC)),
        ({"price": {"le": "1.50"}}, T.price <= Decimal("1.5")),
        ({"blob": {"eq": "AGE="}}, T.blob == b"\0a"),
        ({"text": {"null": True}}, T.text.is_null()),
        ({"text": {"eq": None}}, T.text.is_null()),
        ({"size": {"oneof": [1, None]}}, T.size.oneof([1, None])),
        ({"or": [{"count": {"eq": 1}}, {"text": {"contains": "a"}}]}, (T.count == 1) | T.text.contains("a")),
        ({"and": [{"count": {"eq": 1}}], "text": {"eq": "a"}}, (T.count == 1) & (T.text == "a")),
        ({"or": []}, NOTHING),
        ({"and": []}, ALL),
        ({"not": {"count": {"eq": 1}, "text": {"contains": "a"}}}, ~((T.count == 1) & T.text.contains("a"))),
        ({"not": {"not": {"text": {"contains": "a"}}}}, T.text.contains("a")),
        ({"not": {}}, NOTHING),
        ({"place": {}}, ALL),
        ({"place": {"null": True}}, T.place.is_null()),
        ({"place": {"city": {}}}, ALL),
        ({"place": {"city": {"eq": "Rome"}}}, CITY == "Rome"),
        ({"place": {"city": {"null": True}, "null": False}}, And((CITY.is_null(), T.place.is_null(False)))),
        ({"place": {"postCode": {"oneof": ["1", None]}}}, T.place["post_code"].oneof(["1", None])),
        ({"place": {"eq": {"ge": 3}}}, T.place["eq"] >= 3),
        (
            {"place": {"geo": {"lat": {"lt": 1}, "null": False}}},
            And((T.place.geo.lat < 1.0, T.place.geo.is_null(False))),
        ),
        (
            {"or": [{"home": {"lat": {"eq": 0}}}, {"not": {"place": {"city": {"ne": "a"}}}}]},
            (T.home.lat == 0.0) | (CITY == "a"),
        ),
        ({"query": "Ann"}, Text("Ann")),
        ({"query": " "}, ALL),
        ({"not": {"query": "ann lee"}, "count": {"eq": 1}}, ~Text("ann lee") & (T.count == 1)),
        ({"or": [{"query": "ann"}, {"count": {"eq": 1}}]}, Text("ann") | (T.count == 1)),
    ],
    ids=str,
)
def test_json_filters(given: Any, expected: Filter) -> None:
    assert filter_of_json(META, given) == resolve_filter(META, expected)


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ([], ["/where"]),
        ("x", ["/where"]),
        ({"count": 1}, ["/where/count"]),
        ({"colour": {"eq": 1}}, ["/where/colour"]),
        ({"count": {"equals": 1}}, ["/where/count/equals"]),
        ({"count": {"eq": "1"}}, ["/where/count/eq"]),
        ({"or": {"count": {"eq": 1}}}, ["/where/or"]),
        ({"or": [5, {"count": {"eq": "x"}}], "not": {"size": {"lt": None}}}, ["/where/or/0", "/where/or/1/count/eq", "/where/not/size/lt"]),
        ({"size": {"oneof": 5}}, ["/where/size/oneof"]),
        ({"size": {"oneof": {}}}, ["/where/size/oneof"]),
        ({"size": {"oneof": [1, "x"]}}, ["/where/size/oneof"]),
        ({"text": {"null": "yes"}}, ["/where/text/null"]),
        ({"colour": {}}, ["/where/colour"]),
        ({"not": None}, ["/where/not"]),
        ({"and": [None], "or": None}, ["/where/and/0", "/where/or"]),
        ({"query": None}, ["/where/query"]),
        ({"or": [{"query": 5}, {"query": "\ud800"}]}, ["/where/or/0/query", "/where/or/1/query"]),
        ({"place": None}, ["/where/place"]),
        ({"place": {"city": "Rome", "town": {"eq": "a"}}}, ["/where/place/city", "/where/place/town"]),
        ({"place": {"post_code": {"eq": "a"}}}, ["/where/place/post_code"]),
        ({"place": {"eq": 3, "null": None}}, ["/where/place/eq", "/where/place/null"]),
        ({"place": {"geo": {"lat": {"eq": "x", "contains": "x"}}}}, ["/where/place/geo/lat/eq", "/where/place/geo/lat/contains"]),
        ({"place": {"city": {"like": "a"}}}, ["/where/place/city/like"]),
        ({"place": {"city": {"eq": {"eq": "a"}}}}, ["/where/place/city/eq"]),
        ({"place.city": {"eq": "a"}}, ["/where/place.city"]),
        ({"extra": {"a": {"eq": 1}}}, ["/where/extra/a"]),
        ({"a/b": {"eq": 1}}, ["/where/a~1b"]),
    ],
    ids=str,
)  # fmt: skip
def test_every_fault_of_a_json_filter(given: Any, paths: list[str]) -> None:
    with pytest.raises(InvalidQuery) as caught:
        filter_of_json(META, given)
    assert [fault.path for fault in caught.value.faults] == paths


def test_depth_has_a_limit() -> None:
    def nested(levels: int) -> Any:
        found: Any = {"text": {"contains": "a"}}
        for _ in range(levels):
            found = {"not": found}
        return found

    assert filter_of_json(META, nested(MAX_DEPTH - 1)) == Not(Compare("text", "contains", "a"))
    with pytest.raises(InvalidQuery) as caught:
        filter_of_json(META, nested(MAX_DEPTH))
    assert "levels deep" in caught.value.faults[0].message
    with pytest.raises(InvalidQuery):
        filter_of_json(META, nested(5000))


def is_filter_or_faults(read: Callable[[], Filter]) -> bool:
    try:
        found = read()
    except InvalidQuery as error:
        return bool(error.faults)
    return resolve_filter(META, found) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "and",
                    "or",
                    "not",
                    "count",
                    "text",
                    "eq",
                    "null",
                    "oneof",
                    "x",
                    "query",
                    "place",
                    "city",
                    "geo",
                    "lat",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_a_filter_or_raises_faults(given: Any) -> None:
    assert is_filter_or_faults(lambda: filter_of_json(META, given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ALL),
        ([("count", "1")], T.count == 1),
        ([("count__eq", "1")], T.count == 1),
        ([("count__ge", "1"), ("count__lt", "9")], (T.count >= 1) & (T.count < 9)),
        ([("text", "1")], T.text == "1"),
        ([("text", "null")], T.text == "null"),
        ([("text__null", "true")], T.text.is_null()),
        ([("text__null", "FALSE")], T.text.is_null(False)),
        ([("done", "true")], T.done == True),  # noqa: E712
        ([("size__oneof", "1"), ("count", "5"), ("size__oneof", "2")], (T.count == 5) & T.size.oneof([1, 2])),
        ([("id", KEY)], T.id == UUID(KEY)),
        ([("at__lt", "2026-01-01T00:00:00Z")], T.at < datetime(2026, 1, 1, tzinfo=UTC)),
        ([("price__gt", "-1E+2")], T.price > -100),
        ([("ratio", "1")], T.ratio == 1.0),
        ([("color__ne", "blue")], T.color != Color.BLUE),
        ([("blob", "AGE=")], T.blob == b"\0a"),
        ([("text__icontains", "")], T.text.icontains("")),
        ([("place.city", "Rome")], CITY == "Rome"),
        ([("place.city__startswith", "R"), ("place__null", "false")], CITY.startswith("R") & T.place.is_null(False)),
        ([("place.postCode__oneof", "1"), ("place.postCode__oneof", "2")], T.place["post_code"].oneof(["1", "2"])),
        ([("place.geo.lat__ge", "1.5")], T.place.geo.lat >= 1.5),
        ([("place.at__lt", "2026-01-01T00:00:00Z")], T.place.at < datetime(2026, 1, 1, tzinfo=UTC)),
        ([("place.eq", "1")], T.place["eq"] == 1),
        ([("query", "ann"), ("count", "1"), ("query", "lee")], Text("ann") & (T.count == 1) & Text("lee")),
        ([("query", "")], ALL),
    ],
    ids=str,
)
def test_parameters(given: Any, expected: Filter) -> None:
    assert filter_of_parameters(META, given) == resolve_filter(META, expected)


def test_every_fault_of_parameters() -> None:
    given = [
        ("colour", "1"), ("count", "x"), ("count__like", "1"), ("text__null", "maybe"), ("extra", "{}"), ("size__oneof", "x"),
        ("at", "2026-01-01"), ("ratio__lt", "nan"), ("id", "x"), ("done", "perhaps"), ("color", "purple"), ("day", ""),
        ("place.town", "x"), ("place.post_code", "x"), ("place", "{}"), ("place.geo.lat", "x"), ("text__", "a"), ("query", "\ud800"),
    ]  # fmt: skip
    with pytest.raises(InvalidQuery) as caught:
        filter_of_parameters(META, given)
    assert sorted(fault.path for fault in caught.value.faults) == sorted(f"/{name}" for name, _ in given)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [*META.attributes, "query", "place.city", "place.geo.lat__lt", "count__ge", "text__oneof", "x__y", "__"]
            ),
            st.text(max_size=8),
        )
    )
)
def test_any_parameters_are_a_filter_or_raise_faults(given: list[tuple[str, str]]) -> None:
    assert is_filter_or_faults(lambda: filter_of_parameters(META, given))


@pytest.mark.parametrize(
    "given",
    [
        {"query": " ".join(f"w{i}" for i in range(200_000))},
        {"or": [{}] * 300_000},
        {"not": {"or": [{"and": [{}] * 500}] * 500}},
    ],
)
def test_a_filter_that_is_too_large_is_rejected_before_it_is_built(given: dict[str, Any]) -> None:
    begun = process_time()
    with pytest.raises(InvalidQuery) as caught:
        filter_of_json(META, given)
    assert process_time() - begun < 1
    assert [fault.message.startswith("Too many") for fault in caught.value.faults] == [True]


def test_words_of_a_text_search_are_distinct() -> None:
    begun = process_time()
    assert filter_of_json(META, {"query": "a " * 500_000}) == filter_of_json(META, {"query": "a"})
    assert filter_of_parameters(META, [("query", "a " * 500_000)]) == filter_of_json(META, {"query": "a"})
    assert process_time() - begun < 2


def test_words_of_url_parameters_are_counted_first() -> None:
    begun = process_time()
    with pytest.raises(InvalidQuery) as caught:
        filter_of_parameters(META, [("query", " ".join(f"w{i}" for i in range(200_000)))])
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [("/query", "Too many comparisons")]
    assert process_time() - begun < 1


def expected_of(ask: Callable[[], Any]) -> str | None:
    with pytest.raises(InvalidQuery) as caught:
        ask()
    return caught.value.faults[0].expected


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"colour": {"eq": "red"}}, "one of shelf, id, count"),
        ({"not": {"or": [{"colour": {"eq": "red"}}]}}, "one of shelf, id, count"),
        ({"secret": {"eq": "red"}}, "one of shelf, id, count"),
        (
            {"place": {"postcode": {"eq": "1"}}},
            "one of place.city, place.postCode, place.at, place.geo, place.geo.lat, place.geo.lon, place.eq",
        ),
    ],
)
def test_an_unknown_name_in_a_filter_lists_the_names_that_the_view_may_filter_by(given: Any, names: str) -> None:
    hidden = frozenset(META.attributes) - {"shelf", "id", "count", "place"}
    view = View(META, hidden=hidden | (frozenset() if "place" in given else {"place"}))
    expected = expected_of(lambda: filter_of_json(META, given, view=view))
    assert expected is not None
    assert expected.startswith(names)
    assert "color" not in expected


def test_an_unknown_parameter_lists_names_too() -> None:
    view = View(META, hidden=frozenset(META.attributes) - {"shelf", "id", "home"})
    for name in ("colour", "colour__gt", "secret__eq"):
        assert (
            expected_of(lambda name=name: filter_of_parameters(META, [(name, "1")], view)) == "one of shelf, id, home"
        )
    assert expected_of(lambda: filter_of_parameters(META, [("home.alt__gt", "1")], view)) == "one of home.lat, home.lon"
    assert expected_of(lambda: resolve_filter(META, Compare("colour", "eq", 1), view=view)) == "one of shelf, id, home"


def test_a_fault_lists_a_bounded_number_of_names() -> None:
    wide = stored(type("Wide", (), {"__annotations__": {"id": str} | {f"a{one}": int for one in range(99)}}))
    expected = expected_of(lambda: filter_of_json(meta_of(wide), {"b": {"eq": 1}}))
    assert expected is not None
    assert (expected.count(", "), expected[-3:]) == (50, ", …")


@pytest.mark.parametrize("text", ["2026-03-29T02:30:00 01:00", "2026-03-29T02:30:00.5 0100"])
def test_the_fault_of_a_time_whose_plus_became_a_space_names_the_escape(text: str) -> None:
    for value, hinted in ((text, True), (f"{text} x", False)):
        with pytest.raises(InvalidQuery) as refused:
            filter_of_parameters(META, [("at__ge", value)])
        (fault,) = refused.value.faults
        assert ("%2B" in str(fault.expected)) is hinted
