"""An access rule that compares a nested value is met by no item in which the value does not have its declared type, on every engine and verb."""

from __future__ import annotations

import enum
import operator
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, Struct

from persisty import (
    Access,
    App,
    Attr,
    Caller,
    Delete,
    UnreadableItem,
    Update,
    add,
    custom,
    everyone,
    stored,
)
from persisty.model.expressions import Compare, Filter, Not

STAGES = count()
ANN = Caller("ann")
REF = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Struct):
    size: int
    note: str | None = None


class Detail(Struct):
    text: str
    count: int
    done: bool
    color: Color
    grade: Literal["s", "m"]
    moment: datetime
    text_or_none: str | None = None
    count_or_none: int | None = None
    ratio_or_none: float | None = None
    done_or_none: bool | None = None
    day_or_none: date | None = None
    ref_or_none: UUID | None = None
    price_or_none: Decimal | None = None
    seal_or_none: bytes | None = None
    color_or_none: Color | None = None
    inner: Inner | None = None
    standard: int = 7


@stored(name="doc")
class OldDoc:
    id: Attr[str]
    detail: Attr[Any]
    n: Attr[int] = Attr(default=0)


RULE: list[Filter] = []
rule = custom(lambda _: RULE[0])


@stored(name="doc", access=Access(read=rule, create=everyone, update=rule, delete=rule))
class Doc:
    id: Attr[str]
    detail: Attr[Detail | None]
    n: Attr[int] = Attr(default=0)


GOOD: dict[str, Any] = {
    "text": "b",
    "count": 5,
    "done": True,
    "color": Color.RED,
    "grade": "s",
    "moment": datetime.fromisoformat("2026-01-01T00:00:00Z"),
    "text_or_none": "b",
    "count_or_none": 5,
    "ratio_or_none": 1.5,
    "done_or_none": True,
    "day_or_none": date(2026, 1, 1),
    "ref_or_none": REF,
    "price_or_none": Decimal("1.5"),
    "seal_or_none": b"ab",
    "color_or_none": Color.RED,
    "standard": 7,
}
"""Field → a value to compare with."""
VALUES: tuple[Any, ...] = (
    "zz", "b", "a", "true", "red", "blue", "purple", "s", "NaN", "1.5", "YWI=", "2026-01-01", "2026-01-01T00:00:00Z", str(REF),
    5, 0, 1, 1.5, True, False, [], {"text": "b"}, None,
)  # fmt: skip
WHOLE: tuple[Any, ...] = (
    {},
    None,
    *({**{name: value for name in Detail.__struct_fields__ if name != "inner"}, "inner": inner} for value, inner in [
        (None, {}), (5, {"size": 1}), ("b", {"size": "x"}), ("red", {"size": 3, "note": 5}), (True, {"note": "x"}),
        ("s", {"size": None}), (5, "text"), (5, [1]),
    ]),
)  # fmt: skip
FIELDS = msgspec.structs.fields(Detail)
TYPES: dict[str, Any] = {**{one.name: one.type for one in FIELDS}, "inner.size": int, "inner.note": str | None}
DEFAULTS: dict[str, Any] = {**{one.name: one.default for one in FIELDS if not one.required}, "inner.note": None}
MISFIT = object()


def documents() -> list[Any]:
    of_all = [dict.fromkeys(Detail.__struct_fields__, value) for value in VALUES]
    return [*of_all, *WHOLE]


def read(document: Any, name: str) -> Any:
    """Return the declared value at a path, or MISFIT."""
    if document is None:
        return None
    outer, _, below = name.partition(".")
    if not isinstance(document, dict):
        return MISFIT
    if outer not in document:
        return DEFAULTS.get(outer, MISFIT)
    if below:
        if document[outer] is None:
            return None
        inner = document[outer]
        if not isinstance(inner, dict):
            return MISFIT
        value, missing = inner.get(below, UNSET), DEFAULTS.get(name, MISFIT)
        if value is UNSET:
            return missing
    else:
        value = document[outer]
    try:
        found = msgspec.json.decode(msgspec.json.encode(value), type=TYPES[name])
    except msgspec.ValidationError:
        return MISFIT
    return MISFIT if isinstance(found, Decimal) and not found.is_finite() else found


def rules() -> Iterator[tuple[str, Filter, Any]]:
    """Yield (attribute, rule, function of the declared value)."""
    for name, value in {**GOOD, "inner.size": 1, "inner.note": "x"}.items():
        path = f"detail.{name}"
        yield name, Compare(path, "ne", value), lambda one, value=value: one != value
        yield name, Not(Compare(path, "eq", value)), lambda one, value=value: one != value
        yield name, Not(Compare(path, "oneof", [value])), lambda one, value=value: one != value
        yield name, Not(Compare(path, "ne", value)), lambda one, value=value: one == value
        yield name, Compare(path, "null", True), lambda one: one is None
        yield name, Compare(path, "null", False), lambda one: one is not None
        yield name, Not(Compare(path, "null", True)), lambda one: one is not None
        for name_of, test in ORDERED.items() if not isinstance(value, (bool, enum.Enum)) else ():
            yield name, Compare(path, name_of, value), _present(test, value)
            yield name, Not(Compare(path, name_of, value)), _absent_or(test, value)
        for name_of, test in TEXT.items() if isinstance(value, str) and name != "grade" else ():
            yield name, Compare(path, name_of, value), _present(test, value)
            yield name, Not(Compare(path, name_of, value)), _absent_or(test, value)
    yield "inner", Compare("detail.inner", "null", True), lambda one: one is None


def _present(test: Any, value: Any) -> Any:
    return lambda one: one is not None and test(_aware(one), value)


def _absent_or(test: Any, value: Any) -> Any:
    return lambda one: one is None or not test(_aware(one), value)


ORDERED: dict[str, Any] = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
TEXT: dict[str, Any] = {
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "icontains": lambda one, value: value.casefold() in one.casefold(),
}


def _aware(value: Any) -> Any:
    return value if not isinstance(value, datetime) or value.tzinfo else value.astimezone(GOOD["moment"].tzinfo)


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    stage = f"n{next(STAGES)}"
    before = App("docs", items=[OldDoc], url=engine_url, stage=stage, idempotency=None)
    before.prepare()
    for number, document in enumerate(documents()):
        before.store(OldDoc).create({"id": f"v{number:02}", "detail": document})
    if engine_url == "memory://":
        before.revise(replace=[Doc])
        before.prepare()
        yield before
        before.close()
        return
    before.close()
    after = App("docs", items=[Doc], url=engine_url, stage=stage, idempotency=None)
    after.prepare()
    yield after
    after.close()


def test_a_rule_is_met_by_declared_values_only(app: App) -> None:
    docs, wrong = app.store(Doc), []
    for name, where, meets in rules():
        RULE[:] = [where]
        values = {f"v{number:02}": read(one, name) for number, one in enumerate(documents())}
        expected = [key for key, value in values.items() if value is not MISFIT and meets(value)]
        page = docs.on_behalf_of(ANN).select(["id"], limit=200)
        found = sorted(one["id"] for one in page)
        if found != expected or docs.on_behalf_of(ANN).count() != len(expected):
            off = {key: documents()[int(key[1:])] for key in set(found) ^ set(expected)}
            wrong.append((str(where), off))
    assert wrong == []


def test_a_filter_treats_a_nested_value_of_another_type_as_null(app: App) -> None:
    docs, wrong = app.store(Doc), []
    for name, where, meets in rules():
        if name in ("color", "grade", "color_or_none"):
            continue  # a removed member counts as it is stored
        values = {f"v{number:02}": read(one, name) for number, one in enumerate(documents())}
        expected = [key for key, value in values.items() if meets(None if value is MISFIT else value)]
        found = sorted(one["id"] for one in docs.select(["id"], where, limit=200))
        if name != "inner" and (found != expected or docs.count(where) != len(expected)):
            wrong.append((str(where), {key: documents()[int(key[1:])] for key in set(found) ^ set(expected)}))
    assert wrong == []


def test_no_verb_changes_an_item_that_the_rule_does_not_allow(app: App) -> None:
    docs = app.store(Doc)
    for name in ("done", "count_or_none", "inner.size", "color"):
        value = {**GOOD, "inner.size": 1}[name]
        RULE[:] = [Compare(f"detail.{name}", "ne", value)]
        ann = docs.on_behalf_of(ANN)
        allowed = {
            f"v{number:02}"
            for number, one in enumerate(documents())
            if (found := read(one, name)) is not MISFIT and found != value
        }
        hidden = [f"v{number:02}" for number in range(len(documents())) if f"v{number:02}" not in allowed]
        before = {one["id"]: one["n"] for one in docs.select(["id", "n"], limit=200)}
        for key in hidden[:8]:
            assert ann.read(key) is None
            assert ann.update(key, {"n": add(1)}) is None
            assert not ann.delete(key)
        assert {
            one.error.code for one in ann.edit_batch([Update(hidden[0], {"n": 9}), Delete(hidden[1])]) if one.error
        } == {"not_found"}
        assert any(one.error for one in ann.edit_batch([Update(hidden[2], {"n": 9})], atomic=True))
        assert ann.update_all({"n": add(1)}).changed == len(allowed)
        after = {one["id"]: one["n"] for one in docs.select(["id", "n"], limit=200)}
        assert after == {key: n + (key in allowed) for key, n in before.items()}
        for key in sorted(allowed)[:2]:
            with suppress(UnreadableItem):  # of another field
                assert ann.read(key) is not None
    RULE[:] = [Compare("detail.done", "ne", True)]
    ann = docs.on_behalf_of(ANN)
    allowed = {f"v{at:02}" for at, one in enumerate(documents()) if read(one, "done") not in (MISFIT, True)}
    assert ann.delete_all().changed == len(allowed)
    assert docs.count() == len(documents()) - len(allowed)
