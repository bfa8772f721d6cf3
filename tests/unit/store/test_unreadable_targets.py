"""Referential actions treat a target whose key has a removed member as any other item, in each verb that deletes, on every engine."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from persisty import App, BelongsTo, Caller, Conflict, Delete, HasMany, link, public, stored

STAGES = count()


class Before(enum.Enum):
    RED = "red"
    PURPLE = "purple"


class After(enum.Enum):
    RED = "red"


def declared(members: type[enum.Enum]) -> tuple[type[Any], type[Any], type[Any], type[Any]]:
    """Return a target, and the items that belong to it with each referential action."""
    names = {"__module__": __name__}
    annotations = {"color": members, "dependents": HasMany["Cascade"]}  # type: ignore[name-defined]
    paint = type("Paint", (), names | {"__annotations__": annotations, "dependents": link()})
    paint = stored(name="paint", key="color", access=public)(paint)
    found = [paint]
    for action in ("cascade", "nullify", "block"):
        links = {"__annotations__": {"id": str, "color": members | None, "paint": BelongsTo[paint]}}
        default = {"color": None, "paint": link(by="color", on_delete=action)}
        found.append(stored(name=action, access=public)(type(action.title(), (), names | links | default)))
    return tuple(found)  # type: ignore[return-value]


OLD, NEW = declared(Before), declared(After)
PAINT, CASCADE, NULLIFY, BLOCK = NEW


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    stage = f"t{next(STAGES)}"
    app = App("paints", items=OLD, url=engine_url, stage=stage, idempotency=None)
    app.prepare()
    for color in Before:
        app.store(OLD[0]).create({"color": color})
        for dependent in OLD[1:3]:
            app.store(dependent).create({"id": color.value, "color": color})
    if engine_url == "memory://":
        app.revise(replace=NEW)
    else:
        app.close()
        app = App("paints", items=NEW, url=engine_url, stage=stage, idempotency=None)
    app.prepare()
    yield app
    app.close()


def left(app: App) -> tuple[int, ...]:
    """Return the numbers of paints, of items that a cascade deletes, and of nullified links."""
    nullified = app.store(NULLIFY).count(NULLIFY.color.is_null())
    return app.store(PAINT).count(), app.store(CASCADE).count(), nullified


def test_delete(app: App) -> None:
    assert app.store(PAINT).delete("purple") is True
    assert left(app) == (1, 1, 1)


def test_an_edit_of_a_batch(app: App) -> None:
    assert [one.code for one in app.store(PAINT).edit_batch([Delete("purple")])] == ["ok"]
    assert left(app) == (1, 1, 1)


@pytest.mark.parametrize("caller", [None, Caller("u1")])
def test_delete_all(app: App, caller: Caller | None) -> None:
    paints = app.store(PAINT) if caller is None else app.store(PAINT).on_behalf_of(caller)
    done = paints.delete_all()
    assert (done.changed, done.cursor) == (2, None)
    assert left(app) == (0, 0, 2)


def test_delete_all_in_parts(app: App) -> None:
    paints, cursor = app.store(PAINT), None
    for _ in range(3):
        done = paints.delete_all(limit=1, cursor=cursor)
        cursor = done.cursor
        if cursor is None:
            break
    assert left(app) == (0, 0, 2)


def test_it_is_blocked(app: App) -> None:
    app.store(BLOCK).create({"id": "b", "color": "red"})
    for call in (app.store(PAINT).delete_all, lambda: app.store(PAINT).delete("red")):
        with pytest.raises(Conflict):
            call()
    assert left(app) == (2, 2, 0)
    assert app.store(PAINT).delete_all(PAINT.color != "red").changed == 1
    assert left(app) == (1, 1, 1)


def test_a_filter_through_a_link_compares_the_stored_values(app: App) -> None:
    dependents = app.store(CASCADE)
    assert (dependents.count(CASCADE.paint.any()), dependents.count(~CASCADE.paint.any())) == (2, 0)
    assert app.store(PAINT).count(PAINT.dependents.any()) == 2
    assert app.store(PAINT).delete_all(~PAINT.dependents.any()).changed == 0
    found = app.store(CASCADE).search()
    assert ([one.id for one in found], [one.details["attributes"] for one in found.errors]) == (["red"], [["color"]])
