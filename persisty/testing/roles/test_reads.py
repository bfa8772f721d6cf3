"""Every role reads every item by every reading verb, through every surface, and gets the answers of the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from persisty import COUNT, PersistyError, Store

from .cast import ROLES, Role
from .fixtures import Cells, right_answers, rows_of
from .oracle import KINDS, Answer, attributes, known, might, read, refused, rows, search, shown
from .surfaces import Python, Surface
from .world import Stage

every_role = pytest.mark.parametrize("role", ROLES, ids=str)
every_kind = pytest.mark.parametrize("kind", KINDS)
NOWHERE = "python-nowhere"
TEXTS = {"ledger": "books", "diary": "dear diary", "notice": "hear", "vault": "gold", "team": "reds", "article": "an article by bob",
         "comment": "bob on ann1", "profile": "a profile of ann", "enrolment": None}  # fmt: skip
"""Kind → a text of some rows, if the kind has texts."""


@every_role
@every_kind
def test_read(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    world = stage.world
    for surface in cells.of(role):
        for key in cells.some([*rows_of(world, kind, "python"), NOWHERE]):
            right = right_answers(surface, kind, "read", [read(role, kind, key, world)])
            cells.check(surface, f"read {kind} {key}", surface.ask(role, kind, "read", key=key), right)
    cells.settle()


@every_role
@every_kind
def test_read_batch(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    world = stage.world
    keys = [*world[kind], NOWHERE]
    found = [read(role, kind, key, world) for key in keys]
    right = found[0] if found[0][0] == "error" else ("ok", [value for _, value in found])
    for surface in cells.of(role):
        for some in (keys, [*keys[:2], keys[0]], [NOWHERE]):
            expected = right if right[0] == "error" else ("ok", [right[1][keys.index(key)] for key in some])
            answer = surface.ask(role, kind, "read_batch", keys=some)
            cells.check(surface, f"read_batch {kind}", answer, right_answers(surface, kind, "read", [expected]))
    cells.settle()


@every_role
@every_kind
def test_search_and_count(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    world, text = stage.world, TEXTS[kind]
    filters: list[dict[str, Any]] = [{}, {"id": f"python-{NOWHERE}"}, {"id": next(iter(world[kind]))}]
    filters += [{"text": text}] if text else []
    for surface in cells.of(role):
        for where in cells.some(filters):
            right = search(role, kind, world, lambda row, where=where: where.items() <= row.items())  # type: ignore[misc]
            given = where if surface.name == "rest" else {name: {"eq": value} for name, value in where.items()}
            for verb in ("search", "count"):
                expected = right if verb == "search" or right[0] == "error" else ("ok", len(right[1]))
                answer = surface.ask(role, kind, verb, where=given or None)
                cells.check(surface, f"{verb} {kind} {where}", answer, right_answers(surface, kind, verb, [expected]))
    cells.settle()


@every_role
@every_kind
def test_pages_are_filled_with_visible_rows(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    """A limit counts the rows that the role sees, in both orders."""
    right = search(role, kind, stage.world)
    for surface in cells.of(role):
        for order, step in (("id", 1), ("-id", -1)):
            expected = right if right[0] == "error" else ("ok", right[1][::step][:2])
            answer = surface.ask(role, kind, "search", order=[order], limit=2)
            cells.check(
                surface, f"search {kind} by {order}", answer, right_answers(surface, kind, "search", [expected])
            )
    cells.settle()


def _answer(surface: Surface, role: Role, kind: str, ask: Callable[[Store[Any]], Any]) -> Answer:
    assert isinstance(surface, Python)
    try:
        return ("ok", ask(surface.store(role, kind)))
    except PersistyError as error:
        return ("error", error.code)


def _grouped(values: list[Any]) -> dict[Any, int]:
    return {value: values.count(value) for value in dict.fromkeys(values)}


@every_role
@every_kind
def test_verbs_of_python(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    """Test `search_all`, `select`, `count_by`, `aggregate` and `explain` with every attribute."""
    world = stage.world
    visible = [shown(role, kind, row, world) for row in rows(role, kind, world)]
    fine = might(role, "read", kind)

    def right(value: Any) -> list[Answer]:
        return [("ok", value)] if fine else [refused(role)]

    for surface in cells.of(role, python_only=True):

        def check(place: str, ask: Callable[[Store[Any]], Any], expected: list[Answer]) -> None:
            cells.check(surface, f"{place} {kind}", _answer(surface, role, kind, ask), expected)  # noqa: B023 - called at once

        def all_keys(store: Store[Any]) -> list[str]:
            return [one.id for one in store.search_all(order="id", allow_scan=True)]

        check("search_all", all_keys, right([row["id"] for row in visible]))
        check("aggregate", lambda store: store.aggregate(COUNT, allow_scan=True)[0].values, right((len(visible),)))
        check("explain", lambda store: bool(store.explain()), [("ok", True)] if role.trusted else [refused(role)])
        seen = known(role, kind)
        for name in cells.some(attributes(kind)):
            everywhere = name in seen and all(name in row for row in visible) and _even(role, kind, name)
            ok_if_any = right([{name: row[name]} if name in row else {} for row in visible])
            unknown: list[Answer] = [("error", "invalid_query"), *([] if fine else [refused(role)])]
            check(
                f"select {name}",
                lambda store, name=name: store.select([name], order="id", limit=100, allow_scan=True).items,  # type: ignore[misc]
                ok_if_any if name in seen else unknown,
            )
            counted = right(_grouped([row.get(name) for row in visible]))
            check(
                f"count_by {name}",
                lambda store, name=name: store.count_by(name, allow_scan=True),  # type: ignore[misc]
                counted if everywhere else unknown,
            )
            check(
                f"order by {name}",
                lambda store, name=name: len(store.search(order=[name, "id"], limit=100, allow_scan=True).items),  # type: ignore[misc]
                right(len(visible)) if everywhere else unknown,
            )
            answer = _answer(
                surface,
                role,
                kind,
                lambda store, name=name: [
                    one.id
                    for one in store.search(store.meta.item.__dict__[name].is_null(True), order="id", limit=100).items
                ],  # type: ignore[misc]
            )
            null = right([row["id"] for row in visible if row.get(name) is None])
            cells.check(surface, f"null {name} {kind}", answer, null if name in seen else unknown)
    cells.settle()


def _even(role: Role, kind: str, name: str) -> bool:
    """Return whether the role sees the attribute on every possible row."""
    return role.admin or (kind, name) not in (("article", "reviewer_id"), ("profile", "email"))
