"""Subscriptions on AppSync: the function's result when one begins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from persisty.api.graphql.appsync.change_publisher import published
from persisty.api.graphql.appsync.function import AppSync
from persisty.security.caller import ANONYMOUS, Caller

from ..appsync_filter import check, lets_through
from . import town

ANN, BOB = Caller(str(UUID(int=1))), Caller(str(UUID(int=2)))
CLERK, FRIEND = Caller("clerk", frozenset({"clerk"})), Caller("friend", frozenset({"friend"}))


@pytest.fixture(scope="module")
def surface() -> AppSync:
    return AppSync(town.app)


def request(
    field: str, selection: str = "{ id }", listed: tuple[str, ...] = ("id",), **arguments: Any
) -> dict[str, Any]:
    """Return the event of a subscription that begins."""
    return {
        "fieldName": field,
        "arguments": arguments,
        "selectionSetGraphQL": selection,
        "selectionSetList": list(listed),
        "variables": {},
    }


def is_delivered(surface: AppSync, caller: Caller, field: str, item: Any, **arguments: Any) -> bool:
    """Return whether a subscriber receives the item."""
    answer = surface.handle(request(field, **arguments), caller)
    check(answer["filter"])
    return lets_through(answer["filter"], published(item))


def refusal(surface: AppSync, caller: Caller, event: dict[str, Any]) -> tuple[str, list[tuple[str, str | None]]]:
    error = surface.handle(event, caller)["error"]
    return error["code"], [(one["path"], one.get("found")) for one in error["info"].get("faults", ())]


def test_a_subscriber_receives_only_items_that_it_may_read(surface: AppSync) -> None:
    hers, nobodys = (
        town.Note(id=UUID(int=9), text="a", owner=UUID(int=1)),
        town.Note(id=UUID(int=9), text="a", owner=None),
    )
    for field in ("noteCreated", "noteUpdated", "noteDeleted"):
        assert is_delivered(surface, ANN, field, hers)
        assert not is_delivered(surface, BOB, field, hers)
        assert not is_delivered(surface, ANN, field, nobodys)


def test_the_where_is_added_to_the_row_filter(surface: AppSync) -> None:
    note = town.Note(id=UUID(int=9), text="hello", owner=UUID(int=1))
    assert is_delivered(surface, ANN, "noteCreated", note, where={"text": {"startswith": "he"}})
    assert not is_delivered(surface, ANN, "noteCreated", note, where={"text": {"eq": "else"}})
    either = {"or": [{"text": {"eq": "hello"}}, {"owner": {"eq": str(UUID(int=2))}}]}
    assert is_delivered(surface, ANN, "noteCreated", note, where=either)
    assert not is_delivered(surface, BOB, "noteCreated", note, where=either)


def test_events_of_public_items_are_delivered_to_every_subscriber(surface: AppSync) -> None:
    house = town.House(id=UUID(int=9), street="a")
    assert is_delivered(surface, ANONYMOUS, "houseCreated", house)
    assert is_delivered(surface, ANONYMOUS, "houseCreated", house, where=None)
    assert is_delivered(surface, ANONYMOUS, "houseCreated", house, where={})


def test_a_subscriber_without_read_access_is_rejected(surface: AppSync) -> None:
    assert refusal(surface, ANONYMOUS, request("slipCreated")) == ("unauthenticated", [])
    assert refusal(surface, ANN, request("slipCreated")) == ("forbidden", [])
    assert "filter" in surface.handle(request("slipCreated"), CLERK)


def test_an_attribute_that_the_caller_may_not_read_cannot_be_selected(surface: AppSync) -> None:
    hidden = ("forbidden", [("/selectionSetGraphQL", "diary")])
    event = request("personCreated", "{ id diary }", ("id", "diary"))
    assert refusal(surface, ANN, event) == hidden
    assert "filter" in surface.handle(event, FRIEND)
    aliased = request("personCreated", "{ name: diary }", ("name",))
    assert refusal(surface, ANN, aliased) == hidden
    inline = request("personCreated", "{ ... on Person { mine: diary } }", ("mine",))
    assert refusal(surface, ANN, inline) == hidden


def test_a_named_fragment_counts_as_a_selection_of_everything(surface: AppSync) -> None:
    event = request("personCreated", "{ ...it }", ("name",))
    assert refusal(surface, ANN, event) == ("forbidden", [("/selectionSetGraphQL", "diary")])
    assert "filter" in surface.handle(event, FRIEND)
    assert "filter" in surface.handle(request("letterCreated", "{ ...it }", ("text",)), ANN)


def test_an_event_without_a_selection_counts_as_a_selection_of_everything(surface: AppSync) -> None:
    event = {"fieldName": "personCreated", "arguments": {}}
    assert refusal(surface, ANN, event)[0] == "forbidden"
    assert "filter" in surface.handle(event, FRIEND)


def test_links_are_not_part_of_an_event(surface: AppSync) -> None:
    event = request("letterCreated", "{ id writer { name } }", ("id", "writer", "writer/name"))
    assert refusal(surface, ANN, event) == ("unsupported", [("/selectionSetGraphQL", "writer")])
    counted = request("personCreated", "{ letter_count }", ("letter_count",))
    assert refusal(surface, FRIEND, counted) == ("unsupported", [("/selectionSetGraphQL", "letter_count")])


def test_a_filter_on_a_hidden_attribute_is_rejected(surface: AppSync) -> None:
    event = request("personCreated", where={"diary": {"eq": "x"}})
    assert refusal(surface, ANN, event) == ("invalid_query", [("/where/diary", "diary")])
    assert "filter" in surface.handle(event, FRIEND)
    secret = request("personCreated", where={"secret": {"eq": "x"}})
    assert refusal(surface, FRIEND, secret) == ("invalid_query", [("/where/secret", "secret")])


def test_faults_of_a_filter_have_the_paths_of_a_query(surface: AppSync) -> None:
    for where in ({"name": {"foo": 1}}, {"name": {"eq": 1}}, {"nothing": {"eq": 1}}):
        code, [(path, _)] = refusal(surface, FRIEND, request("personCreated", where=where))
        assert (code, path.startswith("/where/")) == ("invalid_query", True)
    assert refusal(surface, FRIEND, request("personCreated", more=1))[0] == "invalid_input"


def test_a_filter_that_appsync_cannot_express_is_unsupported(surface: AppSync) -> None:
    event = request("personCreated", where={"name": {"icontains": "a"}})
    assert refusal(surface, FRIEND, event) == ("unsupported", [("/where/name", None)])
