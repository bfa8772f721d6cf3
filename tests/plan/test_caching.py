"""What AppSync is told to keep: only what is the same for all who are given it, and whole."""

from typing import Any
from uuid import UUID

import pytest

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    Cache,
    Caller,
    HasMany,
    authenticated,
    everyone,
    owned,
    public,
    read_only,
    scope,
    stored,
)
from persisty.api.graphql.appsync import AppSync
from persisty.api.graphql.caching import ARGUMENTS, IDENTITY, Caching
from persisty.plan import plan_of

KEPT = Cache(seconds=60, appsync=True)


@stored(access=public, cache=KEPT)
class Open:
    id: str
    text: str = ""


@stored(access=Access(read=owned("author"), create=authenticated), cache=KEPT)
class Diary:
    id: str
    author: str


@stored(access=Access(read=everyone, search=authenticated), cache=KEPT)
class Listed:
    id: str


@stored(access=read_only, cache=KEPT)
class Partly:
    id: str
    note: str = Attr(default="", readable=scope("admin"))


@stored(access=read_only, cache=KEPT)
class Room:
    id: UUID
    notes: HasMany["Note"]


@stored(access=Access(read=owned("author")), cache=Cache(seconds=100_000, appsync=True))
class Note:
    id: UUID
    room_id: UUID
    author: str
    room: BelongsTo["Room"]


@stored(access=read_only, cache=Cache(seconds=60))
class Elsewhere:
    """What the process and HTTP's caches keep is no matter of AppSync's."""

    id: str


@stored(access=read_only, cache=Cache(appsync=True))
class Never:
    id: str


ITEMS = [Open, Diary, Listed, Partly, Room, Note, Elsewhere, Never]
FOR_ALL, FOR_ONE = (ARGUMENTS,), (ARGUMENTS, IDENTITY)


@pytest.fixture
def app() -> App:
    return App("kept", items=ITEMS, url="memory://")


def test_what_is_kept_is_told_by_arguments_and_unless_everybody_gets_the_same_by_identity(app: App) -> None:
    plan = plan_of(app, "kept:app")
    assert {field.name: field.caching for field in plan.fields if field.caching} == {
        **{f"open{verb}": Caching(60, FOR_ALL) for verb in ("Read", "Search", "Count", "ReadBatch")},
        **{f"diary{verb}": Caching(60, FOR_ONE) for verb in ("Read", "Search", "Count", "ReadBatch")},
        **{f"partly{verb}": Caching(60, FOR_ONE) for verb in ("Read", "Search", "Count", "ReadBatch")},
        **{f"listed{verb}": Caching(60, FOR_ALL) for verb in ("Read", "ReadBatch")},
        **{f"listed{verb}": Caching(60, FOR_ONE) for verb in ("Search", "Count")},
        "roomCount": Caching(60, FOR_ONE),  # its filter may go through notes, of which everybody sees others
        "noteCount": Caching(3600, FOR_ONE),
    }


def test_no_mutation_is_kept(app: App) -> None:
    assert all(field.caching is None for field in plan_of(app, "kept:app").fields if field.type == "Mutation")


def test_what_appsync_keeps_is_answered_whole_whatever_is_selected(app: App) -> None:
    """Or the next caller, who selects more, would be told that the rest is null."""
    app.store(Open).create({"id": "1", "text": "x"})
    app.store(Partly).create({"id": "1", "note": "y"})
    admin = Caller("root", frozenset({"admin"}))
    surface = AppSync(app)

    def answer(field: str, **arguments: Any) -> Any:
        selected = {"selectionSetGraphQL": "{ id }", "selectionSetList": ["id"]}
        return surface.handle({"fieldName": field, "arguments": arguments, **selected}, admin)

    assert answer("openRead", key="1") == {"data": {"id": "1", "text": "x"}}
    assert answer("partlyReadBatch", keys=["1"]) == {"data": [{"id": "1", "note": "y"}]}
    assert answer("openSearch") == {"data": {"items": [{"id": "1", "text": "x"}], "cursor": None}}
