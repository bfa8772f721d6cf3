"""A shop whose actions run before changes. The tests tell them what to do by the texts of the items, and read what they saw in `seen`."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct
from servey.action.action import action

from persisty import (
    VERSION,
    AfterCreate,
    App,
    Attr,
    Before,
    BeforeDelete,
    BeforeUpdate,
    BelongsTo,
    Conflict,
    Event,
    Fault,
    NotFound,
    Unique,
    current_event,
    link,
    owned,
    public,
    stored,
)


class Place(Struct):
    city: str
    floor: int = 0


@stored(access=public)
class Shelf:
    id: Attr[str]
    name: Attr[str] = Attr(default="")


@stored(indexes=[Unique("code")], access=public)
class Book:
    """`title` says what the action does."""

    id: Attr[str]
    title: Attr[str] = Attr(default="")
    code: Attr[int | None] = Attr(default=None)
    pages: Attr[int] = Attr(default=0)
    place: Attr[Place | None] = Attr(default=None)
    tags: Attr[list[str]] = Attr(factory=list)
    shelf_id: Attr[str | None] = Attr(default=None)
    note: Attr[str | None] = Attr(default=None, readable=False)
    shelf: BelongsTo[Shelf] = link(by="shelf_id", on_delete="cascade")


@stored(access=owned("owner"))
class Draft:
    id: Attr[str]
    owner: Attr[str]
    shelf_id: Attr[str | None] = Attr(default=None)
    version: Attr[int] = VERSION
    shelf: BelongsTo[Shelf] = link(by="shelf_id", on_delete="nullify")


@stored(access=public)
class Audit:
    id: Attr[str]
    text: Attr[str] = Attr(default="")


class Seen(Struct):
    kind: str
    key: str
    before: Any
    after: Any
    caller: str | None
    attempt: int
    id: UUID


seen: list[Seen] = []
"""What the actions saw, in order."""
apps: list[App] = []
"""The app of the test."""
_stages = itertools.count(1)


def note(event: Event[Any]) -> None:
    seen.append(Seen(event.kind, event.key, event.before, event.after, event.caller, event.attempt, event.id))


CHANGES: dict[str, Any] = {
    "as changes": {"pages": 7, "tags": ["changed"]},
    "invalid": {"pages": "many", "colour": "red", "id": "other", "place": {"city": 5}},
    "to the shelf": {"shelf_id": "s"},
    "to no shelf": {"shelf_id": "missing"},
    "same code": {"code": 1},
    "garbage": 7,
}
"""Title → what the action returns."""


class Halt(BaseException):
    """An exception that is not an `Exception`."""


RAISED: dict[str, Callable[[], BaseException]] = {
    "refused": lambda: Conflict("not this one"),
    "broken": lambda: KeyError("secret"),
    "no customer": lambda: NotFound("No such customer"),
    "half a pair": lambda: Conflict("not \ud800 this one", faults=[Fault("/\udc00", "half \ud800")], half=["\udfff"]),
    "broken half": lambda: ValueError("secret \ud800"),
    "exit": lambda: SystemExit(3),
    "interrupt": lambda: KeyboardInterrupt("secret"),
    "cancelled": lambda: asyncio.CancelledError("secret"),
    "halt": lambda: Halt("secret"),
}
"""Title, or for a delete the tag, → what the action raises."""
STOPS = ("exit", "cancelled", "halt")
"""Titles with exceptions that are not `Exception`s."""


def _write(title: str) -> None:
    if title == "audited":
        apps[0].store(Audit).create(Audit(id="audited"))
    elif title == "audited in vain":
        apps[0].store(Audit).create(Audit(id="in vain"))
        raise Conflict("not this one")
    elif title == "forever":
        book = apps[0].store(Book)
        book.create(Book(id=f"{len(seen)}", title="forever"))


@action(triggers=Before(Book, on=["create", "update"]))
def check(event: Event[Book]) -> Book | Mapping[str, Any] | None:
    note(event)
    assert current_event() is event
    book = event.item
    if book.title in RAISED:
        raise RAISED[book.title]()
    if book.title == "as an item":
        return Book(id=book.id, title="made", pages=8, place=Place("Rome", 2))
    if book.title == "in place":
        book.tags.append("placed")
        book.place = Place("Bari")
    _write(book.title)
    answer: Mapping[str, Any] | None = CHANGES.get(book.title)
    return answer


@action(triggers=BeforeUpdate(Book, before=Book.place.city == "Rome", after=Book.pages > 100, changed=["pages"]))
def limit_pages(event: Event[Book]) -> dict[str, int]:
    note(event)
    return {"pages": 100}


@action(triggers=BeforeDelete(Book, where=Book.title == "kept"))
async def keep(event: Event[Book]) -> None:
    note(event)
    await asyncio.sleep(0)
    [what] = event.item.tags or [""]
    raise RAISED.get(what, lambda: Conflict("kept"))()


@action(triggers=(Before(Draft, on=["update", "delete"]), Before(Shelf, on=["delete"])))
def look(event: Event[Any]) -> None:
    note(event)
    if event.kind == "deleted" and getattr(event.item, "name", "") == "kept":
        raise Conflict("kept")
    if event.kind == "updated" and event.item.owner == "refused":
        raise Conflict("not this one")
    if event.kind == "updated" and event.item.owner == "faithful":
        event.item.shelf_id = event.before.shelf_id
    if event.kind == "updated" and event.item.owner == "to another" and event.item.shelf_id is None:
        event.item.shelf_id = "other"


@action(triggers=AfterCreate(Book))
def recorded(event: Event[Book]) -> None:
    note(event)


ACTIONS = (check, limit_pages, keep, look)


def shop_at(url: str, *actions: Any) -> App:
    """Return the app in an empty engine. `actions`: besides those of before triggers."""
    return app_at(url, [*ACTIONS, *actions])


def app_at(url: str, actions: Iterable[Any]) -> App:
    """Return an app with the items of the shop and other actions."""
    stage = f"before-{os.getpid()}-{next(_stages)}"
    items = [Shelf, Book, Draft, Audit]
    app = App("shop", items=items, actions=actions, url=url, stage=stage, idempotency=None)
    app.prepare()
    seen.clear()
    apps[:] = [app]
    return app
