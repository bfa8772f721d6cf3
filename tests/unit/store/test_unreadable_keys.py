"""An item whose key has a removed member of an enum or a `Literal` is named by its stored key, and can be deleted, on every engine."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import count
from typing import Any, Literal

import pytest

from persisty import App, Attr, Delete, UnreadableItem, Update, add, public, stored
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest

STAGES = count()


class Before(enum.Enum):
    RED = "red"
    PURPLE = "pur~ple"


class After(enum.Enum):
    RED = "red"


class Many(enum.IntEnum):
    ONE = 1
    TWO = 2


class Few(enum.IntEnum):
    ONE = 1


@stored(name="paint", key="color")
class OldPaint:
    color: Attr[Before]
    number: Attr[int] = Attr(default=1)


@stored(name="paint", key="color", access=public)
class Paint:
    color: Attr[After]
    number: Attr[int] = Attr(default=1)


@stored(name="mix", key=("shop", "level", "color"))
class OldMix:
    shop: Attr[str]
    level: Attr[Many]
    color: Attr[Before]


@stored(name="mix", key=("shop", "level", "color"), access=public)
class Mix:
    shop: Attr[str]
    level: Attr[Few]
    color: Attr[After]


@stored(name="mark", key=("kind", "id"))
class OldMark:
    kind: Attr[Literal["a", "b"]]
    id: Attr[str]


@stored(name="mark", key=("kind", "id"), access=public)
class Mark:
    kind: Attr[Literal["a"]]
    id: Attr[str]


OLD, NEW = (OldPaint, OldMix, OldMark), (Paint, Mix, Mark)


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    stage = f"k{next(STAGES)}"
    before = App("paints", items=OLD, url=engine_url, stage=stage, idempotency=None)
    before.prepare()
    for color in Before:
        before.store(OldPaint).create({"color": color})
        for level in Many:
            before.store(OldMix).create({"shop": "s", "level": level, "color": color})
    for kind in ("a", "b"):
        before.store(OldMark).create({"kind": kind, "id": "1"})
    if engine_url == "memory://":
        before.revise(replace=NEW)
        before.prepare()
        yield before
        before.close()
        return
    before.close()
    after = App("paints", items=NEW, url=engine_url, stage=stage, idempotency=None)
    after.prepare()
    yield after
    after.close()


def keys(errors: Any) -> list[str]:
    return sorted(one.details["key"] for one in errors)


def test_the_stored_key_is_named(app: App) -> None:
    page = app.store(Paint).search()
    assert ([one.color for one in page], keys(page.errors)) == ([After.RED], ["pur~ple"])
    page = app.store(Mix).search()
    assert len(page.items) == 1
    assert keys(page.errors) == ["s~1~pur%7Eple", "s~2~pur%7Eple", "s~2~red"]
    assert keys(app.store(Mark).search().errors) == ["b~1"]


def test_it_is_reported_updated_and_deleted_by_its_stored_key(app: App) -> None:
    paints = app.store(Paint)
    for key in ("pur~ple", "red"):
        for other in ("purple", "", "RED", "x" * 3000, "\ud800", "\0"):
            assert (paints.read(other), paints.delete(other)) == (None, False)
        if key == "red":
            continue
        with pytest.raises(UnreadableItem) as caught:
            paints.read(key)
        assert caught.value.details == {"store": "paint", "key": key, "attributes": ["color"]}
        with pytest.raises(UnreadableItem) as caught:
            paints.update(key, {"number": add(4)})
        assert caught.value.details["written"] is True
        with pytest.raises(UnreadableItem) as caught:
            paints.read_batch(["red", key, "none"])
        assert [one and one.color for one in caught.value.others] == [After.RED, None, None]
    assert paints.count(Paint.number == 5) == 1
    results = paints.edit_batch([Update("pur~ple", {"number": 7}), Delete("pur~ple")])
    assert [one.code for one in results] == ["unreadable_item", "ok"]
    assert paints.delete("pur~ple") is False
    assert app.store(Mix).delete("s~2~pur%7Eple") is True
    assert app.store(Mark).delete("b~1") is True
    assert (paints.count(), app.store(Mix).count(), app.store(Mark).count()) == (1, 3, 1)


def test_bulk_writes_find_it(app: App) -> None:
    assert app.store(Paint).update_all({"number": 3}).changed == 2
    assert app.store(Paint).delete_all(Paint.number == 3).changed == 2
    assert app.store(Mix).delete_all().changed == 4
    assert app.store(Mark).delete_all().changed == 2
    assert app.store(Mix).count() == 0


@pytest.mark.parametrize("verb", ["update_all", "delete_all"])
def test_bulk_writes_in_parts_continue_after_it(app: App, verb: str) -> None:
    paints, cursor, done = app.store(Paint), None, 0
    for _ in range(3):
        part = (
            paints.delete_all(limit=1, cursor=cursor)
            if verb == "delete_all"
            else paints.update_all({"number": 3}, limit=1, cursor=cursor)
        )
        done, cursor = done + part.changed, part.cursor
        if cursor is None:
            break
    assert (done, paints.count(Paint.number == 1)) == (2, 0)


def test_pages_continue_after_it(app: App) -> None:
    found, named = [], []
    cursor = None
    for _ in range(9):
        page = app.store(Mix).search(limit=1, cursor=cursor)
        found += page.items
        named += page.errors
        cursor = page.cursor
        if cursor is None:
            break
    assert cursor is None
    assert len(found) == 1
    assert set(keys(named)) == {"s~1~pur%7Eple", "s~2~pur%7Eple", "s~2~red"}


def test_rest_names_and_deletes_it(app: App) -> None:
    rest = Rest(app)
    assert rest.handle(Request("GET", "/api/paint/pur~ple")).status == 500
    assert rest.handle(Request("DELETE", "/api/paint/pur~ple")).status == 204
    assert rest.handle(Request("GET", "/api/paint/pur~ple")).status == 404
    assert rest.handle(Request("DELETE", "/api/mix/s~2~pur%7Eple")).status == 204
