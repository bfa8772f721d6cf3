"""Every role sends batches with edits of several stores, through every surface.

A batch has the same results, codes and changes as its edits sent one by one through the verbs of their stores. It is rejected as
a whole if the role could never do one of its edits. An atomic batch with an edit that is not done writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from persisty.store.backend import Capabilities

from .cast import Role
from .fixtures import NOT_OFFERED, UNKNOWN, Cells, rows_of
from .oracle import KINDS, Answer, Row, World, create, delete, might, refused, shown, update
from .surfaces import Python, StoreEdit, Surface, bare
from .test_reads import every_kind, every_role
from .test_writes import DEPENDENTS, changes_of, new_rows
from .world import Stage

NOT_IN_BATCHES = ("vault", "enrolment")
"""Kinds that no caller may write: surfaces do not offer them in batches."""
OFFERED = tuple(kind for kind in KINDS if kind not in NOT_IN_BATCHES)


def expected(role: Role, edit: StoreEdit, world: World) -> tuple[list[Answer], World]:
    """Return the right answers of the edit's own verb, and the world afterwards."""
    kind, verb, body = edit
    if verb == "create":
        return create(role, kind, dict(body), world)
    if verb == "update":
        return update(role, kind, body["key"], body["changes"], world)
    return delete(role, kind, body["key"], world)


def result_of(edit: StoreEdit, right: Answer) -> Row:
    """Return the result of an edit in a batch for the answer of its verb."""
    outcome, value = right
    code = value if outcome == "error" else "not_found" if value is None else "ok"
    return {"code": code, "item": value if code == "ok" and edit[1] != "delete" else None}


def rejected(role: Role, edit: StoreEdit, world: World) -> list[Answer]:
    """Return the errors with which the edit may reject its whole batch: the role could never do it, or its values are invalid."""
    kind, verb, _ = edit
    if not might(role, verb, kind):
        return [refused(role)]
    rights = expected(role, edit, world)[0]
    invalid = [one for one in rights if one == ("error", "invalid_input")]
    if verb == "delete":
        return []
    return invalid + [one for one in rights if one == refused(role)]


def one_by_one(role: Role, edits: Sequence[StoreEdit], world: World) -> tuple[list[Row], World]:
    """Return the results of edits that no rule rejects as a whole, and the world afterwards."""
    results = []
    for edit in edits:
        rights, world = expected(role, edit, world)
        results.append(result_of(edit, rights[0]))
    return results, world


def edits_of(role: Role, kind: str, copy: str, world: World) -> list[StoreEdit]:
    """Return edits of a kind: every new row, every change of every row and of a missing one, and the deletion of every row."""
    keys = [*rows_of(world, kind, copy), f"{copy}-nowhere"]
    found: list[StoreEdit] = [(kind, "create", row) for row in new_rows(role, kind, copy)]
    found += [(kind, "update", {"key": key, "changes": changes}) for key in keys for changes in changes_of(kind, copy)]
    return found + [(kind, "delete", {"key": key}) for key in keys]


def neighbour(kind: str, copy: str, number: int = 0) -> StoreEdit:
    """Return an edit of another kind: of a public row, or, for notices, of a missing diary."""
    if kind == "notice":
        return ("diary", "update", {"key": f"{copy}-nowhere", "changes": {"text": f"changed {number}"}})
    return ("notice", "update", {"key": f"{copy}-n2", "changes": {"text": f"changed {number}"}})


def unless_offered(surface: Surface, edits: Sequence[StoreEdit], right: Sequence[Answer]) -> list[Answer]:
    """Return the right answers, and those of a surface for a kind or an attribute that it does not offer."""
    if isinstance(surface, Python):
        return list(right)
    if any(kind in NOT_IN_BATCHES for kind, _, _ in edits):
        return [("error", code) for code in (*NOT_OFFERED, *UNKNOWN)]
    hidden = {"digest", "version", "owner_id"}
    if not surface.exact and any(not hidden.isdisjoint(body.get("changes", body)) for _, _, body in edits):
        return [*right, *(("error", code) for code in UNKNOWN)]
    return list(right)


class Batches:
    """Sends batches as one role, and compares their answers and what is stored."""

    def __init__(self, stage: Stage, cells: Cells, role: Role) -> None:
        self.stage, self.cells, self.role = stage, cells, role
        self.kinds: set[str] = set()

    def send(self, surface: Surface, edits: Sequence[StoreEdit], *, atomic: bool, world: World) -> World:
        """Send a batch. Return the world afterwards."""
        self.kinds |= {one for kind, _, _ in edits for one in (kind, *DEPENDENTS.get(kind, ()))}
        errors = [error for edit in edits for error in rejected(self.role, edit, world)]
        results, after = one_by_one(self.role, edits, world)
        done = all(one["code"] == "ok" for one in results)
        if atomic and not done:
            after = world
            results = [one if one["code"] != "ok" else {"code": "aborted", "item": None} for one in results]
        right = unless_offered(surface, edits, [*errors, ("ok", results)])
        answer = surface.edit_stores(self.role, edits, atomic=atomic)
        self.cells.check(surface, f"{'atomic ' if atomic else ''}batch of {edits}", answer, right)
        return world if answer[0] == "error" else after

    def settle(self, world: World) -> None:
        """Compare the stored rows with this world, and restore the rows from before."""
        kinds = tuple(kind for kind in KINDS if kind in self.kinds)
        self.cells.check_stored(self.stage.settle(kinds), {kind: world[kind] for kind in kinds})
        self.kinds.clear()


@every_role
@every_kind
def test_a_batch_of_several_stores_does_what_the_verbs_do(stage: Stage, cells: Cells, role: Role, kind: str) -> None:
    """Send all edits of a kind that can have a result in one batch, between edits of another kind."""
    batches = Batches(stage, cells, role)
    for surface in cells.of(role):
        edits: list[StoreEdit] = []
        world = stage.world
        for number, edit in enumerate(edits_of(role, kind, surface.name, world)):
            if not rejected(role, edit, world):
                edits += [edit, *([neighbour(kind, surface.name, number)] if number % 3 == 0 else [])]
                world = one_by_one(role, edits[-1:], one_by_one(role, [edit], world)[1])[1]
        edits = [one for one in edits if not rejected(role, one, stage.world)]
        if len({one[0] for one in edits}) == 2:
            batches.send(surface, edits, atomic=False, world=stage.world)
            batches.settle(one_by_one(role, edits, stage.world)[1])
    cells.settle()


@every_role
@every_kind
def test_an_edit_that_its_verb_rejects_rejects_a_batch_of_several_stores(
    stage: Stage, cells: Cells, role: Role, kind: str
) -> None:
    """The other edits of the batch are not done either, whether it is atomic or not."""
    batches = Batches(stage, cells, role)
    for surface in cells.of(role):
        world = stage.world
        wrong = [one for one in edits_of(role, kind, surface.name, world) if rejected(role, one, world)]
        for number, edit in enumerate(cells.some(cells.some(wrong))):
            batch = [edit, neighbour(kind, surface.name, number)][:: 1 if number % 2 else -1]
            world = batches.send(surface, batch, atomic=number % 3 == 0, world=world)
        batches.settle(world)
    cells.settle()


@every_role
@every_kind
def test_an_atomic_batch_of_several_stores_is_done_as_a_whole_or_not_at_all(
    stage: Stage, cells: Cells, capabilities: Capabilities, role: Role, kind: str
) -> None:
    """For each verb and result of its edits, send one with an edit of another kind."""
    batches, deletes = Batches(stage, cells, role), kind not in DEPENDENTS or capabilities.transactions
    for surface in cells.of(role):
        world = stage.world
        tried: set[tuple[str, str]] = set()
        for number, edit in enumerate(edits_of(role, kind, surface.name, world)):
            if rejected(role, edit, world) or (edit[1] == "delete" and not deletes):
                continue
            place = (edit[1], one_by_one(role, [edit], world)[0][0]["code"])
            if place not in tried:
                tried.add(place)
                batch = [edit, neighbour(kind, surface.name, number)][:: 1 if number % 2 else -1]
                world = batches.send(surface, batch, atomic=True, world=world)
        batches.settle(world)
    cells.settle()


@every_role
def test_a_batch_of_every_store(stage: Stage, cells: Cells, role: Role) -> None:
    """Change every row of every kind that the role may ever update in one batch. Then do the same, atomic, with the rows it may update."""
    batches = Batches(stage, cells, role)
    for surface in cells.of(role):
        kinds = [kind for kind in OFFERED if might(role, "update", kind)]
        edits: list[StoreEdit] = [
            (kind, "update", {"key": key, "changes": next(changes_of(kind, surface.name))})
            for kind in kinds
            for key in rows_of(stage.world, kind, surface.name)
        ]
        if len(kinds) < 2:
            continue
        batches.send(surface, edits, atomic=False, world=stage.world)
        batches.settle(one_by_one(role, edits, stage.world)[1])
        batches.settle(batches.send(surface, edits, atomic=True, world=stage.world))
        fine = [edit for edit in edits if one_by_one(role, [edit], stage.world)[0][0]["code"] == "ok"]
        batches.settle(batches.send(surface, fine, atomic=True, world=stage.world))
    cells.settle()


CONDITIONS: dict[str, list[Row]] = {
    "article": [{"profile": {"text": {"eq": "never"}}}, {"reviewer_id": {"eq": "never"}}, {"comments": {"text": {"eq": "never"}}}],
    "comment": [{"article": {"published": {"eq": False}, "text": {"eq": "never"}}}],
    "profile": [{name: {"eq": "never"}} for name in ("email", "digest", "realm")] + [{"diaries": {"text": {"eq": "never"}}}],
    "notice": [{"diary": {"text": {"eq": "never"}}}],
    "vault": [{"profile": {"text": {"eq": "never"}}}],
    "enrolment": [{"team": {"text": {"eq": "never"}}}],
}  # fmt: skip
"""Kind → conditions that no row meets: through links, and on attributes that some roles do not see."""


def conditional(world: World, kind: str, copy: str) -> Iterator[tuple[str, Row]]:
    """Yield changes and deletions of every row and of a missing one, on conditions that are false or not allowed."""
    for key in [*rows_of(world, kind, copy), f"{copy}-nowhere"]:
        for when in [{"id": {"eq": "never"}}, *CONDITIONS.get(kind, [])]:
            yield "update", {"key": key, "changes": next(changes_of(kind, copy)), "when": when}
            yield "delete", {"key": key, "when": when}


@every_role
@every_kind
def test_a_condition_in_a_batch_of_several_stores_is_decided_as_by_the_verb(
    stage: Stage, cells: Cells, capabilities: Capabilities, role: Role, kind: str
) -> None:
    """The verb in Python gives the right code, because it writes nothing. The current item is as the role sees it."""
    batches, verbs, world = Batches(stage, cells, role), Python(stage.app), stage.world
    other = neighbour(kind, "nobody's")  # a row that is missing
    for surface in cells.of(role):
        if kind in NOT_IN_BATCHES and not isinstance(surface, Python):
            continue
        for verb, body in cells.some(cells.some(conditional(world, kind, surface.name))):
            outcome, value = verbs.ask(role, kind, verb, **body)
            code = value if outcome == "error" else "not_found"
            right = [code, *UNKNOWN] if code in ("invalid_query", "invalid_input") else [code]
            right += [error for _, error in rejected(role, other, world)]
            right += [] if might(role, verb, kind) else [refused(role)[1]]  # decided before a condition is parsed
            deletes = verb == "delete" and kind in DEPENDENTS
            for atomic in (False,) if deletes and not capabilities.transactions else (False, True):
                answer = surface.edit_stores(role, [(kind, verb, body), other], atomic=atomic)
                got = answer if answer[0] == "error" else ("error", answer[1][0]["code"])
                place = f"{'atomic ' if atomic else ''}{verb} {kind} {body} in a batch"
                cells.check(surface, place, got, [("error", one) for one in right])
                item = None if answer[0] == "error" else answer[1][0]["item"]
                if item is not None:
                    row = world[kind][body["key"]]
                    right_item = ("ok", bare(shown(role, kind, row, world)))
                    cells.check(surface, f"the item of {place}", ("ok", bare(item)), [right_item])
        batches.kinds.add(kind)
        batches.settle(world)
    cells.settle()
