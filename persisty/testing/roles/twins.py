"""Two worlds that differ only in what a role may not see, and what is asked of both: the answers have to be the same to the byte.

What is hidden is taken away in one of the other worlds, and in another there is more of it, with other values. Whether the difference
is hidden indeed the oracle tells (`same_to`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import msgspec

from persisty import PersistyError, PreconditionFailed
from persisty.api.http.messages import Response

from .cast import Role
from .oracle import DEFAULTS, KINDS, Row, World, rows, seen, shown, visible
from .surfaces import OverGraphql, OverRest, Python, request
from .world import Stage

HIDDEN_VALUES: dict[str, Any] = {
    "email": "hidden@example.com", "score": 5, "digest": "hidden-digest", "realm": "hidden-realm", "reviewer_id": "a-ann",
}  # fmt: skip
OTHER_VALUES: dict[str, Any] = {"email": None, "score": -1, "digest": None, "realm": None, "reviewer_id": None}
VARIANTS: dict[str, Callable[[Role, World], World]] = {}
"""What was done to what a role may not see → the other world."""


def variant(make: Callable[[Role, World], World]) -> Callable[[Role, World], World]:
    VARIANTS[make.__name__] = make
    return make


@variant
def less(role: Role, world: World) -> World:
    """Nothing that is hidden is there."""
    other = {
        kind: {key: row for key, row in found.items() if visible(role, kind, row, world)}
        for kind, found in world.items()
    }
    return _masked(role, other, world, OTHER_VALUES)


@variant
def more(role: Role, world: World) -> World:
    """There is more that is hidden, and what is hidden is otherwise."""
    other = deepcopy(world)
    for kind, row in _strangers():
        if not visible(role, kind, row, world):
            other[kind][row["id"]] = row
    for kind in KINDS:
        for key, row in world[kind].items():
            if not visible(role, kind, row, world) and "text" in row:
                other[kind][key] = {**row, "text": "otherwise", **({"rank": 77} if "rank" in row else {})}
    return _masked(role, other, world, HIDDEN_VALUES)


def _masked(role: Role, other: World, world: World, values: Mapping[str, Any]) -> World:
    """The rows that the role sees, with other values where it does not see them."""
    found = deepcopy(other)
    for kind in KINDS:
        for key, row in other[kind].items():
            if visible(role, kind, row, world):
                for name in row.keys() & values.keys():
                    if not seen(role, kind, name, row, world):
                        found[kind][key][name] = values[name]
    return found


def _strangers() -> list[tuple[str, Row]]:
    """Rows that somebody else has, linked to those that are there: keys before, between and after theirs."""
    found: list[tuple[str, Row]] = []
    for key in ("A", "a-anns-", "b", "z"):
        one = {"id": key, "owner_id": "eve"}
        found += [
            ("diary", {**DEFAULTS["diary"], **one, "text": "dear diary", "rank": 1, "profile_id": "a-ann"}),
            ("ledger", {**DEFAULTS["ledger"], "id": key, "tenant": "gold", "code": key, "text": "books", "amount": 99}),
            ("article", {**DEFAULTS["article"], **one, "text": "an article by ann", "rank": 2, "profile_id": "a-ann",
                         "reviewer_id": "b-ann"}),
            ("comment", {**DEFAULTS["comment"], **one, "text": "bob on ann1", "article_id": key}),
            ("vault", {**DEFAULTS["vault"], "id": key, "text": "gold", "profile_id": "a-bob"}),
            ("team", {"id": key, "tenant": "gold", "text": "golds"}),
            ("enrolment", {**one, "profile_id": "a-ann", "team_id": "a-red"}),
            ("enrolment", {**one, "id": f"{key}2", "profile_id": "a-bob", "team_id": "a-blue"}),
        ]  # fmt: skip
    return found


def same_to(role: Role, one: World, other: World) -> bool:
    """Does the role see the same in both?"""

    def seen_of(world: World) -> list[Any]:
        return [[shown(role, kind, row, world) for row in rows(role, kind, world)] for kind in KINDS]

    return seen_of(one) == seen_of(other)


class Twin:
    """One of the worlds, and the ways to ask it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.python, self.rest, self.graphql = Python(stage.app), OverRest(stage.app), OverGraphql(stage.app)

    def asks(self, role: Role, kind: str, ask: Callable[[Any], Any]) -> bytes:
        """What Python is told, or the whole of the error."""
        try:
            return msgspec.json.encode(ask(self.python.store(role, kind)), enc_hook=told_of)
        except PersistyError as error:
            return msgspec.json.encode(told_of(error))

    def requests(self, role: Role, kind: str, verb: str, **given: Any) -> bytes:
        """What REST answers, headers and all."""
        return _bytes(self.rest.rest.handle(request(role, kind, verb, **given)))

    def queries(self, role: Role, document: str, variables: Mapping[str, Any]) -> bytes:
        return _bytes(self.graphql.send(role, document, variables))


def _bytes(response: Response) -> bytes:
    return msgspec.json.encode([response.status, dict(response.headers)]) + response.body


def told_of(value: Any) -> Any:
    if isinstance(value, PersistyError):
        item = value.item if isinstance(value, PreconditionFailed) else None
        return {
            "code": value.code,
            "message": value.message,
            "faults": value.faults,
            "details": value.details,
            "item": item,
        }
    return str(value)
