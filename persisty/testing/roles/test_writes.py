"""Every role writes every item by every verb, through every surface. Answers and stored items must equal the oracle's.

The changes are harmless ones and moves: to another owner or tenant, of an attribute that the role may not set, out of and into the
reach of a rule, and to a target that is missing or hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from persisty import PersistyError
from persisty.store.backend import Capabilities

from .cast import Role
from .fixtures import Cells, right_answers, rows_of
from .oracle import (
    DEFAULTS,
    OWNED,
    Answer,
    Row,
    World,
    allowed,
    create,
    dangling,
    delete,
    might,
    refused,
    rows,
    update,
    without,
)
from .surfaces import Surface
from .test_reads import every_kind, every_role
from .world import Stage

DEPENDENTS = {"article": ("comment",), "diary": ("notice",)}
"""Kind → kinds whose rows a delete also changes."""


def new_rows(role: Role, kind: str, copy: str) -> Iterator[Row]:
    """Yield rows to create: the role's own, another's, in both tenants, with attributes that only some roles may set."""

    def row(name: str, **values: Any) -> Row:
        given = {"id": f"{copy}-new-{name}", **values}
        if kind == "enrolment":
            given |= {"profile_id": f"{copy}-ann", "team_id": f"{copy}-red"}
        if kind == "comment":
            given.setdefault("article_id", f"{copy}-ann1")
        if role.trusted and kind in OWNED:
            given.setdefault("owner_id", "ann")
        return given

    if "tenant" in TENANTS.get(kind, ()):
        yield from (row(tenant, tenant=tenant, text="new") for tenant in ("red", "blue", "green"))
    else:
        yield row("plain")
    if kind in OWNED:
        yield row("anothers", owner_id="bob")
        yield row("own", owner_id=role.subject or "ann")
    for name, values in GIVEN_NEW.get(kind, {}).items():
        yield row(
            name, **{one: value.format(copy=copy) if isinstance(value, str) else value for one, value in values.items()}
        )
    yield {
        **row("taken"),
        **({"tenant": "red"} if kind in TENANTS else {}),
        "id": rows_of(PLACES, kind, "x")[0].replace("x-", f"{copy}-", 1),
    }


TENANTS = {"ledger": ("tenant",), "team": ("tenant",)}
GIVEN_NEW: dict[str, dict[str, Row]] = {
    "profile": {"score": {"score": 5}, "digest": {"digest": "x"}, "email": {"email": "new@example.com"}, "realm": {"realm": "south"}},
    "ledger": {"version": {"tenant": "red", "version": 5}},
    "article": {"published": {"published": True}, "reviewed": {"reviewer_id": "{copy}-bob"}},
    "comment": {name: {"article_id": "{copy}-" + name} for name in ("ann2", "bob1", "bob2", "nowhere")},
    "notice": {name: {"diary_id": "{copy}-" + name} for name in ("anns", "bobs", "nowhere")},
}  # fmt: skip
"""Kind → further attributes on create."""
CHANGES: dict[str, list[Row]] = {
    "diary": [{"rank": 9}, {"owner_id": "bob"}, {"owner_id": "zoe", "text": "mine"}],
    "ledger": [{"amount": 5}, {"tenant": "blue"}, {"tenant": "red"}, {"version": 9}, {"tenant": "green", "text": "moved"}],
    "article": [{"rank": 8}, {"published": True}, {"owner_id": "bob"}, {"published": False}, {"reviewer_id": None}],
    "comment": [{"article_id": "{copy}-" + name} for name in ("ann2", "bob1", "bob2", "nowhere", "ann1")],
    "profile": [{"email": "x@example.com"}, {"score": 9}, {"digest": "x"}, {"realm": "north"}, {"owner_id": "bob"}],
    "notice": [{"diary_id": "{copy}-" + name} for name in ("anns", "bobs", "nowhere")] + [{"diary_id": None}],
    "team": [{"tenant": "blue"}, {"tenant": "red"}],
    "enrolment": [{"profile_id": "{copy}-bob"}],
    "vault": [{"profile_id": None}],
}  # fmt: skip
"""Kind → changes besides a new text, applied to every row one after the other."""
PLACES = {kind: [f"x-{name}"] for kind, name in (
    ("diary", "bobs"), ("ledger", "blue"), ("article", "bob2"), ("comment", "c5"), ("profile", "bob"), ("vault", "v1"),
    ("notice", "n1"), ("team", "blue"), ("enrolment", "e2"),
)}  # fmt: skip
"""Kind → a row that most roles do not see, although its key is taken."""


def changes_of(kind: str, copy: str) -> Iterator[Row]:
    if "text" in DEFAULTS[kind]:
        yield {"text": f"changed by {copy}"}
    for one in CHANGES[kind]:
        yield {name: value.format(copy=copy) if isinstance(value, str) else value for name, value in one.items()}


def settled(stage: Stage, cells: Cells, kind: str, expected: World) -> None:
    """Check that the stored rows are as expected, and restore the rows from before."""
    kinds = (kind, *DEPENDENTS.get(kind, ()))
    cells.check_stored(stage.settle(kinds), {one: expected[one] for one in kinds})
    cells.settle()


@every_role
@every_kind
def test_create(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    world = stage.world
    for surface in cells.of(role):
        for given in cells.some(new_rows(role, kind, surface.name)):
            right, world = create(role, kind, given, world)
            answer = surface.ask(role, kind, "create", item=given)
            cells.check(surface, f"create {kind} {given}", answer, right_answers(surface, kind, "create", right, given))
    settled(stage, cells, kind, world)


@every_role
@every_kind
def test_update(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    world = stage.world
    for surface in cells.of(role):
        for key in [*rows_of(world, kind, surface.name), f"{surface.name}-nowhere"]:
            for changes in cells.some(changes_of(kind, surface.name)):
                right, world = update(role, kind, key, changes, world)
                answer = surface.ask(role, kind, "update", key=key, changes=changes)
                cells.check(
                    surface,
                    f"update {kind} {key} {changes}",
                    answer,
                    right_answers(surface, kind, "update", right, changes),
                )
    settled(stage, cells, kind, world)


@every_role
@every_kind
def test_delete(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    world = stage.world
    for surface in cells.of(role):
        for key in [*rows_of(world, kind, surface.name), f"{surface.name}-nowhere"]:
            right, world = delete(role, kind, key, world)
            answer = surface.ask(role, kind, "delete", key=key)
            cells.check(surface, f"delete {kind} {key}", answer, right_answers(surface, kind, "delete", right))
    settled(stage, cells, kind, world)


def _edits(role: Role, kind: str, copy: str, world: World, deletes: bool) -> list[dict[str, Any]]:
    """Return a batch: create a row, change every row but the last, change a missing row, delete the last row."""
    keys = rows_of(world, kind, copy)
    changes = next(changes_of(kind, copy))
    found: list[dict[str, Any]] = [{"create": next(new_rows(role, kind, copy))}]
    found += [{"update": {"key": key, "changes": changes}} for key in keys[: -1 if deletes else None]]
    return found + ([{"delete": {"key": keys[-1]}}] if deletes else [])


def _edited(role: Role, kind: str, edits: list[dict[str, Any]], world: World) -> tuple[list[Row], World]:
    """Return the result of each edit, applied one after the other, and the world afterwards."""
    results = []
    for edit in edits:
        [(verb, body)] = edit.items()
        if verb == "create":
            right, world = create(role, kind, body, world)
        elif verb == "update":
            right, world = update(role, kind, body["key"], body["changes"], world)
        else:
            right, world = delete(role, kind, body["key"], world)
        outcome, value = right[0]
        code = value if outcome == "error" else "not_found" if value is None else "ok"
        results.append({"code": code, "item": value if code == "ok" and verb != "delete" else None})
    return results, world


def _refusals(role: Role, kind: str, edits: list[dict[str, Any]], world: World) -> list[Answer]:
    """Return the errors that may reject the whole batch before a write, if the role could never do one of its edits."""
    found: list[Answer] = []
    for edit in edits:
        [(verb, body)] = edit.items()
        if not might(role, verb, kind):
            found.append(refused(role))
        elif verb == "create":
            found += [
                one for one in create(role, kind, body, world)[0] if one in (refused(role), ("error", "invalid_input"))
            ]
        elif verb == "update":
            found += [
                one
                for one in update(role, kind, body["key"], body["changes"], world)[0]
                if one == ("error", "invalid_input")
            ]
    return found


@every_role
@every_kind
def test_edit_batch(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    """Each edit follows the rule of its own verb. A batch with an edit that the role can never do is rejected and writes nothing."""
    world = stage.world
    for surface in cells.of(role):
        for single in (False, True):
            edits = _edits(role, kind, surface.name, world, deletes=True)
            for batch in [edits] if not single else [[edit] for edit in edits]:
                results, after = _edited(role, kind, batch, world)
                refusals = _refusals(role, kind, batch, world)
                right: list[Answer] = refusals or [("ok", results)]
                answer = surface.ask(role, kind, "edit_batch", edits=batch)
                cells.check(
                    surface, f"edit_batch {kind} {batch}", answer, right_answers(surface, kind, "edit_batch", right)
                )
                world = world if refusals else after
            if single or world is stage.world:
                continue
            cells.check_stored(
                stage.settle((kind, *DEPENDENTS.get(kind, ()))),
                {one: world[one] for one in (kind, *DEPENDENTS.get(kind, ()))},
            )
            world = stage.world
    settled(stage, cells, kind, world)


@every_role
@every_kind
def test_an_atomic_batch_with_a_rejected_edit_writes_nothing(
    stage: Stage, cells: Cells, capabilities: Capabilities, role: Role, kind: str
) -> None:
    world, deletes = stage.world, kind not in DEPENDENTS or capabilities.transactions
    for surface in cells.of(role):
        edits = _edits(role, kind, surface.name, world, deletes)
        for batch in (edits, [edits[0], edits[1]], edits[1:], edits[2:]):
            if not batch:
                continue
            results, after = _edited(role, kind, batch, world)
            refusals = _refusals(role, kind, batch, world)
            fine = all(one["code"] == "ok" for one in results)
            expected = [one if fine or one["code"] != "ok" else {"code": "aborted", "item": None} for one in results]
            right: list[Answer] = refusals or [("ok", expected)]
            answer = surface.ask(role, kind, "edit_batch", edits=batch, atomic=True)
            cells.check(surface, f"atomic {kind} {batch}", answer, right_answers(surface, kind, "edit_batch", right))
            if fine and not refusals:
                world = after
                break
    settled(stage, cells, kind, world)


def _bulk(surface: Surface, role: Role, kind: str, changes: Row | None, where: Any = None) -> Answer:
    store = surface.store(role, kind)
    try:
        done = (
            store.delete_all(where, allow_scan=True)
            if changes is None
            else store.update_all(changes, where, allow_scan=True)
        )
    except PersistyError as error:
        return ("error", error.code)
    return ("ok", done.changed)


def _all_changed(role: Role, kind: str, changes: Row, world: World) -> tuple[list[Answer], World]:
    """Return the right answers of `update_all`, and the world afterwards.

    A change that the role can make to no row is rejected before rows are searched; so is a link to a missing target.
    """
    never, after, changed = update(role, kind, "nowhere", changes, world)[0], world, 0
    if never[0][0] == "error":
        return never, world
    if dangling(role, kind, changes, world):
        return [("error", "invalid_input")], world
    for row in rows(role, kind, world):
        new = update(role, kind, row["id"], changes, world)[1]
        if new is not world:
            changed, after = changed + 1, {**after, kind: {**after[kind], row["id"]: new[kind][row["id"]]}}
    return [("ok", changed), *(never[1:] if changed == 0 else [])], after


@every_role
@every_kind
def test_update_all(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    """`update_all` changes the rows that the role sees and may update, and skips rows that would leave its reach."""
    for surface in cells.of(role, python_only=True):
        for changes in cells.some(changes_of(kind, surface.name)):
            right, after = _all_changed(role, kind, changes, stage.world)
            cells.check(surface, f"update_all {kind} {changes}", _bulk(surface, role, kind, changes), right)
            cells.check_stored(stage.settle((kind,)), {kind: after[kind]})
    cells.settle()


@every_role
@every_kind
def test_delete_all(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    for surface in cells.of(role, python_only=True):
        world = stage.world
        deleted = [row["id"] for row in rows(role, kind, world) if allowed(role, "delete", kind, row, world)]
        right = [("ok", len(deleted))] if might(role, "delete", kind) else [refused(role)]
        cells.check(surface, f"delete_all {kind}", _bulk(surface, role, kind, None), right)
        settled(stage, cells, kind, without(world, kind, deleted if might(role, "delete", kind) else []))
