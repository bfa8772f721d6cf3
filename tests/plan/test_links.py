"""Permissions of functions for links: check a target, follow links, referential actions."""

from __future__ import annotations

from uuid import UUID

from persisty import (
    Access,
    App,
    BelongsTo,
    HasMany,
    Index,
    Unique,
    everyone,
    link,
    linked,
    nobody,
    owned,
    private,
    public,
    stored,
)
from persisty.deploy.grants import QUERY_ACTIONS, SYSTEM
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Grant
from persisty.model.rules import Rule

WRITES = {
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLUpdate",
}


def only(**rules: Rule) -> Access:
    verbs = ("read", "create", "update", "delete", "search", "count", "read_batch", "edit_batch")
    return Access(**{verb: rules.get(verb, nobody) for verb in verbs})


def grants(*items: type) -> dict[str, set[str]]:
    functions = plan_of(App("linked", items=items, url="memory://", idempotency=None), "linked:app").functions
    answering = {one.name: one.grants for one in functions if one.name in ("rest", "graphql_http", "appsync")}
    assert answering["rest"] == answering["graphql_http"] == answering["appsync"]
    found: tuple[Grant, ...] = answering["rest"]
    return {grant.store: set(grant.actions) for grant in found}


@stored(access=private)
class Room:
    id: UUID


@stored(access=only(create=everyone))
class Chair:
    id: UUID
    room_id: UUID
    room: BelongsTo[Room] = link(on_delete="block")


def test_a_write_that_requires_a_target_may_check_it_and_nothing_else() -> None:
    found = grants(Room, Chair)
    assert found == {"room": {"dynamodb:ConditionCheckItem"}, "chair": {"dynamodb:PutItem"}}


@stored(access=only(delete=everyone))
class House:
    id: UUID


@stored(access=private, indexes=[Unique("number")])
class Flat:
    id: UUID
    number: str | None = None
    house_id: UUID
    house: BelongsTo[House] = link(on_delete="cascade")


@stored(access=private)
class Tenant:
    id: UUID
    flat_id: UUID | None = None
    flat: BelongsTo[Flat] = link(on_delete="nullify")


@stored(access=private)
class Bill:
    id: UUID
    house_id: UUID
    house: BelongsTo[House] = link()


def test_a_delete_may_release_what_belongs_to_the_item_however_far() -> None:
    found = grants(House, Flat, Tenant, Bill)
    assert "bill" not in found  # ignored: it stays
    assert {"dynamodb:DeleteItem", "dynamodb:PartiQLDelete", *QUERY_ACTIONS} <= found["flat"]
    assert "dynamodb:UpdateItem" not in found["flat"]
    assert {"dynamodb:UpdateItem", "dynamodb:PartiQLUpdate", *QUERY_ACTIONS} <= found["tenant"]
    assert "dynamodb:DeleteItem" not in found["tenant"]
    assert found[SYSTEM] == {"dynamodb:DeleteItem"}  # the guard rows of the flats' numbers


@stored(access=only(read=linked("members", owned("user_id"))))
class Club:
    id: UUID
    members: HasMany[Member] = link()
    secrets: HasMany[Secret] = link()
    posts: HasMany[Post] = link()


@stored(access=private)
class Member:
    id: UUID
    club_id: UUID
    user_id: UUID


@stored(access=private)
class Secret:
    id: UUID
    club_id: UUID


@stored(access=public, indexes=[Index("club_id")])
class Post:
    id: UUID
    club_id: UUID


def test_reads_may_follow_links_to_readable_items_and_to_items_that_rules_name() -> None:
    found = grants(Club, Member, Secret, Post)
    assert found["member"] == set(QUERY_ACTIONS)
    assert "secret" not in found
    assert set(QUERY_ACTIONS) <= found["post"]
    assert WRITES.isdisjoint(found["club"])
