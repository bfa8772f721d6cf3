"""Faults of a migration name items by their string keys, and show values as they were given, whatever the engine stores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from persisty import App, Attr, SchemaMismatch, stored

from .conftest import Place

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@stored(name="entry", key=("name", "at", "number"))
class Entry:
    name: Attr[str]
    at: Attr[datetime]
    number: Attr[int]
    value: Attr[str | None] = Attr(default=None)


@stored(name="entry", key=("name", "at", "number"))
class Counted:
    name: Attr[str]
    at: Attr[datetime]
    number: Attr[int]
    value: Attr[int | None] = Attr(default=None)


@stored(name="entry", key=("name", "at", "number"))
class Required:
    name: Attr[str]
    at: Attr[datetime]
    number: Attr[int]
    value: Attr[str]


@stored(name="mark", key=("text", "ref"))
class Mark:
    text: Attr[str]
    ref: Attr[UUID]
    value: Attr[str | None] = Attr(default=None)


@stored(name="mark", key=("text", "ref"))
class RequiredMark:
    text: Attr[str]
    ref: Attr[UUID]
    value: Attr[str]


@stored(name="label")
class Label:
    id: Attr[str]
    value: Attr[str | None] = Attr(default=None)


@stored(name="label")
class RequiredLabel:
    id: Attr[str]
    value: Attr[str]


def keys(app: App, item: type[Any]) -> list[str]:
    store: Any = app.store(item)
    return sorted(store.meta.key_of(one) for one in store.search_all())


def refused(database: Place, item: type[Any]) -> str:
    with pytest.raises(SchemaMismatch) as caught:
        database.migrated(item)
    [fault] = caught.value.faults
    assert fault.found is not None
    return fault.found


ODD = ("\0a", "\1", "a~b", "ä / %")


def test_items_whose_values_cannot_be_converted_are_named_by_their_keys(database: Place) -> None:
    rows = [{"name": one, "at": AT, "number": place, "value": "\0x"} for place, one in enumerate(ODD)]
    app = database.filled(Entry, *rows)
    expected = keys(app, Entry)
    found = refused(database, Counted)
    assert found.count("('\\x00x')") == 4
    assert sorted(one.removesuffix(" ('\\x00x')") for one in found.split(", ")) == expected
    assert "%00a~2026-01-02T03%3A04%3A05.000000Z~0" in expected


@pytest.mark.parametrize(("before", "after"), [(Entry, Required), (Mark, RequiredMark), (Label, RequiredLabel)])
def test_items_without_a_value_are_named_by_their_keys(database: Place, before: type[Any], after: type[Any]) -> None:
    rows: list[dict[str, Any]] = [
        {"name": one, "at": AT, "number": 1} if before is Entry
        else {"text": one, "ref": UUID(int=7)} if before is Mark else {"id": one}
        for one in ODD
    ]  # fmt: skip
    app = database.filled(before, *rows)
    expected = keys(app, before)
    assert sorted(refused(database, after).split(", ")) == expected
