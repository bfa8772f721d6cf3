"""AppSync caches only whole responses that are equal for every caller."""

from typing import Any
from uuid import UUID

import pytest

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    Cache,
    HasMany,
    authenticated,
    everyone,
    owned,
    public,
    read_only,
    scope,
    stored,
)
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.appsync.resolver_caching import ARGUMENTS, Caching
from persisty.deploy.plan import plan_of

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


@stored(access=Access(read=owned("author")), cache=KEPT)
class Note:
    id: UUID
    room_id: UUID
    author: str
    room: BelongsTo["Room"]


@stored(access=read_only, cache=Cache(seconds=100_000, appsync=True))
class Shop:
    id: UUID
    wares: HasMany["Ware"]


@stored(access=read_only)
class Ware:
    id: UUID
    shop_id: UUID
    shop: BelongsTo["Shop"]


@stored(access=read_only, cache=Cache(seconds=60))
class Elsewhere:
    """The process cache and HTTP caching do not affect AppSync."""

    id: str


@stored(access=read_only, cache=Cache(appsync=True))
class Never:
    id: str


ITEMS = [Open, Diary, Listed, Partly, Room, Note, Shop, Ware, Elsewhere, Never]


@pytest.fixture
def app() -> App:
    return App("kept", items=ITEMS, url="memory://")


def test_only_responses_that_are_equal_for_every_caller_are_cached_by_their_arguments(app: App) -> None:
    """A caller with an API key may send a token that AppSync does not verify: its identity would be that of all such callers."""
    plan = plan_of(app, "kept:app")
    assert {field.name: field.caching for field in plan.fields if field.caching} == {
        **{f"open{verb}": Caching(60, (ARGUMENTS,)) for verb in ("Read", "Search", "Count", "ReadBatch")},
        **{f"listed{verb}": Caching(60, (ARGUMENTS,)) for verb in ("Read", "ReadBatch")},
        "shopCount": Caching(3600, (ARGUMENTS,)),  # whose filter may use wares, which are equal for every caller
    }  # and that of rooms through notes, of which everybody sees others


def test_no_mutation_is_cached(app: App) -> None:
    assert all(field.caching is None for field in plan_of(app, "kept:app").fields if field.type == "Mutation")


def test_responses_that_appsync_caches_have_every_field(app: App) -> None:
    """Otherwise the next caller, who selects more fields, would get null for the rest."""
    app.store(Open).create({"id": "1", "text": "x"})
    surface = AppSync(app)

    def answer(field: str, **arguments: Any) -> Any:
        selected = {"selectionSetGraphQL": "{ id }", "selectionSetList": ["id"]}
        return surface.handle({"fieldName": field, "arguments": arguments, **selected})

    assert answer("openRead", key="1") == {"data": {"id": "1", "text": "x"}}
    assert answer("openReadBatch", keys=["1"]) == {"data": [{"id": "1", "text": "x"}]}
    assert answer("openSearch") == {"data": {"items": [{"id": "1", "text": "x"}], "cursor": None}}
