"""Every role subscribes through AppSync and receives exactly the events that the suite's oracle allows it to read."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import App
from persisty.api.graphql.appsync.change_publisher import published
from persisty.api.graphql.appsync.function import AppSync
from persisty.testing.roles.cast import RESTRICTED, Role
from persisty.testing.roles.items import ITEMS
from persisty.testing.roles.oracle import KINDS, SEEN, attributes, known, might, refused, seen, visible
from persisty.testing.roles.world import world_of

from ..appsync_filter import check, lets_through

WORLD = world_of("events")
APP = App("roles", items=ITEMS, url="memory://", stage="dev")
OFFERED = [kind for kind in KINDS if kind != "vault"]
LINKED = frozenset({"comment"})
"""Kinds whose rule follows a link, which events do not contain: only administrators may subscribe to them."""


@pytest.fixture(scope="module")
def surface() -> AppSync:
    return AppSync(APP)


def asked(kind: str, *selected: str, **arguments: Any) -> dict[str, Any]:
    names = selected or ("id",)
    return {
        "fieldName": f"{kind}Created",
        "arguments": arguments,
        "selectionSetGraphQL": f"{{ {' '.join(names)} }}",
        "selectionSetList": list(names),
        "variables": {},
    }


def received_by(surface: AppSync, role: Role, kind: str, **arguments: Any) -> set[str] | str:
    """Return the keys of the rows that a subscriber receives, or the code of the error."""
    answer = surface.handle(asked(kind, **arguments), role.caller)
    if "error" in answer:
        return str(answer["error"]["code"])
    check(answer["filter"])
    item = APP.metas[kind].item
    events = {key: published(item(**row)) for key, row in WORLD[kind].items()}
    return {key for key, event in events.items() if lets_through(answer["filter"], event)}


SUBSCRIBING = [
    (role, kind)
    for role in RESTRICTED
    for kind in OFFERED
    if might(role, "read", kind) and (role.admin or kind not in LINKED)
]
"""(role, kind, kind of change) of allowed subscriptions."""


@pytest.mark.parametrize("kind", OFFERED)
@pytest.mark.parametrize("role", RESTRICTED, ids=str)
def test_a_role_receives_the_events_that_it_may_read_or_is_rejected(surface: AppSync, role: Role, kind: str) -> None:
    found = received_by(surface, role, kind)
    if not might(role, "read", kind):
        assert found == refused(role)[1]
    elif kind in LINKED and not role.admin:
        assert found == "unsupported"
    else:
        assert found == {key for key, row in WORLD[kind].items() if visible(role, kind, row, WORLD)}


@pytest.mark.parametrize(("role", "kind"), SUBSCRIBING, ids=str)
def test_a_filter_on_an_attribute_applies_only_to_rows_on_which_the_role_sees_it(
    surface: AppSync, role: Role, kind: str
) -> None:
    rows = WORLD[kind].items()
    for name in known(role, kind):
        for value in {row[name] for _, row in rows} - {None}:
            found = received_by(surface, role, kind, where={name: {"eq": value}})
            wanted = {
                key
                for key, row in rows
                if visible(role, kind, row, WORLD) and seen(role, kind, name, row, WORLD) and row[name] == value
            }
            assert found == wanted or (found, wanted) == ("unsupported", set()), (name, value)  # what no item is like


@pytest.mark.parametrize(("role", "kind"), SUBSCRIBING, ids=str)
def test_a_role_neither_selects_nor_filters_by_an_attribute_that_it_sees_on_some_items_only(
    surface: AppSync, role: Role, kind: str
) -> None:
    for name in attributes(kind):
        answer = surface.handle(asked(kind, name), role.caller)
        if (kind, name) == ("profile", "digest"):
            assert answer["error"]["code"] == "invalid_input"  # AppSync's schema has no such field
        elif (kind, name) in SEEN and not role.admin:
            assert answer["error"]["code"] == "forbidden"
        else:
            assert "filter" in answer
        if name not in known(role, kind):
            refusal = received_by(surface, role, kind, where={name: {"null": True}})
            assert refusal == "invalid_query"


def test_an_item_that_no_caller_may_read_has_no_subscription(surface: AppSync) -> None:
    assert received_by(surface, RESTRICTED[-1], "vault") == "not_found"
