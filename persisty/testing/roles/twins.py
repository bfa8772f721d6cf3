"""Pairs of worlds that differ only in data that a role may not see. Both must give the same answers, byte by byte.

In one variant the hidden data is missing; in another there is more of it, with other values. The oracle checks that the difference is
hidden from the role (`same_to`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec

from persisty import PersistyError, PreconditionFailed
from persisty.api.http.messages import Response

from .cast import Role
from .oracle import DEFAULTS, KINDS, Row, World, rows, seen, shown, visible
from .surfaces import OverGraphql, OverRest, Python, StoreEdit, request
from .world import Stage

HIDDEN_VALUES: dict[str, Any] = {
    "email": "hidden@example.com", "score": 5, "digest": "hidden-digest", "realm": "hidden-realm", "reviewer_id": "a-ann",
}  # fmt: skip
OTHER_VALUES: dict[str, Any] = {"email": None, "score": -1, "digest": None, "realm": None, "reviewer_id": None}
VARIANTS: dict[str, Callable[[Role, World], World]] = {}
"""Name of a variant → function that makes the other world."""


def variant(make: Callable[[Role, World], World]) -> Callable[[Role, World], World]:
    VARIANTS[make.__name__] = make
    return make


@variant
def less(role: Role, world: World) -> World:
    """Return the world without hidden data."""
    other = {
        kind: {key: row for key, row in found.items() if visible(role, kind, row, world)}
        for kind, found in world.items()
    }
    return _masked(role, other, world, OTHER_VALUES)


@variant
def more(role: Role, world: World) -> World:
    """Return the world with more and different hidden data."""
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
    """Return the rows that the role sees, with other values for the attributes that it does not see."""
    found = deepcopy(other)
    for kind in KINDS:
        for key, row in other[kind].items():
            if visible(role, kind, row, world):
                for name in row.keys() & values.keys():
                    if not seen(role, kind, name, row, world):
                        found[kind][key][name] = values[name]
    return found


def _strangers() -> list[tuple[str, Row]]:
    """Return rows of another owner, linked to existing rows, with keys before, between and after theirs."""
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
    """Return whether the role sees the same in both worlds."""

    def seen_of(world: World) -> list[Any]:
        return [[shown(role, kind, row, world) for row in rows(role, kind, world)] for kind in KINDS]

    return seen_of(one) == seen_of(other)


class Twin:
    """One of the worlds, and its surfaces."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.python, self.rest, self.graphql = Python(stage.app), OverRest(stage.app), OverGraphql(stage.app)

    def asks(self, role: Role, kind: str, ask: Callable[[Any], Any]) -> bytes:
        """Return the answer in Python, or the whole error, as bytes."""
        try:
            return msgspec.json.encode(ask(self.python.store(role, kind)), enc_hook=error_details)
        except PersistyError as error:
            return msgspec.json.encode(error_details(error))

    def edits_stores(self, role: Role, edits: Sequence[StoreEdit], *, atomic: bool) -> bytes:
        """Return the results of a batch of several stores in Python, with their errors, or the whole error, as bytes."""
        try:
            batch = self.python.batch(role, edits)
            found = self.stage.app.edit_batch(batch, atomic=atomic, caller=role.caller)
            results = [{"code": one.code, "item": one.item, "error": one.error} for one in found]
            return msgspec.json.encode(results, enc_hook=error_details)
        except PersistyError as error:
            return msgspec.json.encode(error_details(error))

    def requests(self, role: Role, kind: str, verb: str, **given: Any) -> bytes:
        """Return the answer of REST, with headers, as bytes."""
        return _bytes(self.rest.rest.handle(request(role, kind, verb, **given)))

    def queries(self, role: Role, document: str, variables: Mapping[str, Any]) -> bytes:
        return _bytes(self.graphql.send(role, document, variables))


def _bytes(response: Response) -> bytes:
    return msgspec.json.encode([response.status, dict(response.headers)]) + response.body


def error_details(value: Any) -> Any:
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
