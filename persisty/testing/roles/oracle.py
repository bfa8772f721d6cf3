"""What each role must be told, worked out over plain dicts by predicates written out by hand, sharing nothing with persisty's rules.

A world is kind → key → row. Every verb gives the answers that are right: an answer is `("ok", value)` or `("error", code)`. Where
several would do, because a rule cannot hold of any item and it need not be looked for, all of them are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from .cast import Role

Row = dict[str, Any]
World = dict[str, dict[str, Row]]
Answer = tuple[str, Any]
Predicate = Callable[[Role, Row, World], bool]
MISSING: Answer = ("ok", None)

DEFAULTS: dict[str, Row] = {
    "diary": {"text": "", "rank": 0, "profile_id": None},
    "ledger": {"code": None, "text": "", "amount": 0, "version": 1},
    "article": {"text": "", "published": False, "rank": 0, "profile_id": None, "reviewer_id": None},
    "comment": {"text": ""},
    "profile": {"text": "", "email": None, "score": 0, "digest": None, "badge": None, "realm": None},
    "vault": {"text": "", "profile_id": None},
    "notice": {"text": "", "rank": 0, "diary_id": None},
    "team": {"text": ""},
    "enrolment": {},
}
"""Kind → what a create may leave out."""
REQUIRED: dict[str, tuple[str, ...]] = {
    "diary": ("id", "owner_id"), "ledger": ("id", "tenant"), "article": ("id", "owner_id"),
    "comment": ("id", "owner_id", "article_id"), "profile": ("id", "owner_id"), "vault": ("id",), "notice": ("id",),
    "team": ("id", "tenant"), "enrolment": ("id", "owner_id", "profile_id", "team_id"),
}  # fmt: skip
KINDS = tuple(DEFAULTS)
OWNED = frozenset(kind for kind, names in REQUIRED.items() if "owner_id" in names)


def attributes(kind: str) -> tuple[str, ...]:
    """All attributes of a kind."""
    return (*REQUIRED[kind], *DEFAULTS[kind])


# Predicates


def mine(role: Role, row: Row, world: World) -> bool:
    return role.subject is not None and row.get("owner_id") == role.subject


def admin(role: Role, row: Row, world: World) -> bool:
    return role.admin


def own(role: Role, row: Row, world: World) -> bool:
    return mine(role, row, world) or role.admin


def of_tenant(role: Role, row: Row, world: World) -> bool:
    return row["tenant"] in role.tenants or role.admin


def read_article(role: Role, row: Row, world: World) -> bool:
    return row["published"] or own(role, row, world)


def delete_article(role: Role, row: Row, world: World) -> bool:
    return role.admin or (mine(role, row, world) and not row["published"])


def _article(row: Row, world: World) -> Row:
    return world["article"].get(row["article_id"], {"published": False})


def read_comment(role: Role, row: Row, world: World) -> bool:
    return _article(row, world)["published"] or own(role, row, world)


def create_comment(role: Role, row: Row, world: World) -> bool:
    return role.admin or (_article(row, world)["published"] and mine(role, row, world))


def delete_comment(role: Role, row: Row, world: World) -> bool:
    return own(role, row, world) or mine(role, _article(row, world), world)


def anyone(role: Role, row: Row, world: World) -> bool:
    return True


def no_one(role: Role, row: Row, world: World) -> bool:
    return role.trusted


RULES: dict[str, dict[str, Predicate]] = {
    "diary": dict.fromkeys(("read", "create", "update", "delete"), own),
    "ledger": dict.fromkeys(("read", "create", "update", "delete"), of_tenant),
    "article": {"read": read_article, "create": own, "update": own, "delete": delete_article},
    "comment": {"read": read_comment, "create": create_comment, "update": own, "delete": delete_comment},
    "profile": {"read": anyone, "create": own, "update": own, "delete": admin},
    "vault": dict.fromkeys(("read", "create", "update", "delete"), no_one),
    "notice": dict.fromkeys(("read", "create", "update", "delete"), anyone),
    "team": dict.fromkeys(("read", "create", "update", "delete"), of_tenant),
    "enrolment": {"read": own, "create": no_one, "update": no_one, "delete": no_one},
}
"""Kind → verb → who may do it with which row. Trusted code may do all (`allowed`)."""


def _known(role: Role) -> bool:
    return role.subject is not None or role.admin


def _in_tenant(role: Role) -> bool:
    return bool(role.tenants) or role.admin


def _admin(role: Role) -> bool:
    return role.admin


def _always(role: Role) -> bool:
    return True


def _never(role: Role) -> bool:
    return role.trusted


def _each(might: Callable[[Role], bool], **other: Callable[[Role], bool]) -> dict[str, Callable[[Role], bool]]:
    return dict.fromkeys(("read", "create", "update", "delete"), might) | other


MIGHT: dict[str, dict[str, Callable[[Role], bool]]] = {
    "diary": _each(_known),
    "ledger": _each(_in_tenant),
    "article": _each(_known, read=_always),
    "comment": _each(_known, read=_always),
    "profile": _each(_known, read=_always, delete=_admin),
    "vault": _each(_never),
    "notice": _each(_always),
    "team": _each(_in_tenant),
    "enrolment": _each(_never, read=_known),
}
"""Kind → verb → could there be any row with which the role may do it?"""
SEEN: dict[tuple[str, str], Predicate] = {
    ("article", "reviewer_id"): own,
    ("profile", "email"): own,
    ("profile", "score"): admin,
    ("profile", "realm"): admin,
    ("profile", "digest"): no_one,
}
"""Attributes that some see, and of which rows. `digest` is for trusted code alone."""
GIVEN: dict[tuple[str, str, str], Callable[[Role], bool]] = {
    ("profile", "score", "create"): _admin,
    ("profile", "score", "update"): _admin,
    ("profile", "digest", "create"): _never,
    ("profile", "digest", "update"): _never,
    ("ledger", "version", "create"): _never,
    ("ledger", "version", "update"): _never,
}
"""(kind, attribute, verb) → who may give it at all. Owners are given on create only, keys too."""
CHECKED = {"comment": ("article_id", "article"), "notice": ("diary_id", "diary")}
"""Kind → the attribute that has to hold the key of something that is there, to be seen by the role, and of which kind."""


def refused(role: Role) -> Answer:
    """What a role hears that asks for what it may not do."""
    return ("error", "unauthenticated" if role.subject is None else "forbidden")


def allowed(role: Role, verb: str, kind: str, row: Row, world: World) -> bool:
    return role.trusted or RULES[kind][verb](role, row, world)


def might(role: Role, verb: str, kind: str) -> bool:
    """Could there be a row that is there for the role, with which it may do this?"""
    return role.trusted or (MIGHT[kind][verb](role) and (verb == "create" or MIGHT[kind]["read"](role)))


def visible(role: Role, kind: str, row: Row, world: World) -> bool:
    return allowed(role, "read", kind, row, world)


def seen(role: Role, kind: str, name: str, row: Row, world: World) -> bool:
    """Does the role see this attribute of the row?"""
    return role.trusted or SEEN.get((kind, name), anyone)(role, row, world)


def shown(role: Role, kind: str, row: Row, world: World) -> Row:
    """The row as the role sees it."""
    return {name: value for name, value in row.items() if seen(role, kind, name, row, world)}


def known(role: Role, kind: str) -> tuple[str, ...]:
    """The attributes that are there for the role: of all rows or of some."""
    partial = ("reviewer_id", "email") if role.subject is not None else ()
    return tuple(
        name
        for name in attributes(kind)
        if role.trusted or (kind, name) not in SEEN or name in partial or (role.admin and name != "digest")
    )


# Reads


def rows(role: Role, kind: str, world: World) -> list[Row]:
    """The rows that are there for the role, in the order of their keys."""
    return [row for _, row in sorted(world[kind].items()) if visible(role, kind, row, world)]


def read(role: Role, kind: str, key: str, world: World) -> Answer:
    if not might(role, "read", kind):
        return refused(role)
    row = world[kind].get(key)
    return ("ok", shown(role, kind, row, world)) if row and visible(role, kind, row, world) else MISSING


def search(role: Role, kind: str, world: World, wanted: Callable[[Row], bool] = lambda row: True) -> Answer:
    """`wanted` is asked of the row as it is seen, and so of what a filter may look at."""
    if not might(role, "read", kind):
        return refused(role)
    found = (shown(role, kind, row, world) for row in rows(role, kind, world))
    return ("ok", [row for row in found if wanted(row)])


def related(
    role: Role, kind: str, row: Row, local: str, target: str, remote: str, world: World, single: bool = False
) -> Any:
    """What is behind a link of a row that the role sees: rows whose `remote` is this row's `local`, both of which it has to see."""
    if not seen(role, kind, local, row, world) or row[local] is None:
        return None if single else []
    found = [
        shown(role, target, one, world)
        for one in rows(role, target, world)
        if one[remote] == row[local] and seen(role, target, remote, one, world)
    ]
    return (found[0] if found else None) if single else found


# Writes


def written(role: Role, kind: str, row: Row, world: World) -> Answer:
    """What is told of a row that the role wrote: of one that it may not read, the key."""
    return ("ok", shown(role, kind, row, world) if visible(role, kind, row, world) else {"id": row["id"]})


def create(role: Role, kind: str, given: Row, world: World) -> tuple[list[Answer], World]:
    """The right answers, and the world afterwards."""
    if not might(role, "create", kind):
        return [refused(role)], world
    if _ungivable(role, kind, given, "create"):
        return [("error", "invalid_input")], world
    if _unreachable(role, kind, given):
        return [refused(role)], world
    row = {**DEFAULTS[kind], **({"owner_id": role.subject} if kind in OWNED else {}), **given}
    if not allowed(role, "create", kind, row, world):
        return [refused(role)], world
    if row["id"] in world[kind]:
        return [("error", "conflict")], world
    if dangling(role, kind, given, world):
        return [("error", "invalid_input")], world
    after = _with(world, kind, row)
    return [written(role, kind, row, after)], after


def update(role: Role, kind: str, key: str, changes: Row, world: World) -> tuple[list[Answer], World]:
    if not might(role, "update", kind):
        return [refused(role)], world
    if _ungivable(role, kind, changes, "update"):
        return [("error", "invalid_input")], world
    if _unreachable(role, kind, changes):
        return [refused(role)], world
    row = world[kind].get(key)
    if row is None or not visible(role, kind, row, world):
        return [MISSING, refused(role)] if _moves(kind, changes) else [MISSING], world
    new = {**row, **({"version": row["version"] + 1} if "version" in row else {}), **changes}
    after = _with(world, kind, new)
    if not (allowed(role, "update", kind, row, world) and _still(role, kind, new, after)):
        return [refused(role)], world
    if dangling(role, kind, changes, world):
        return [("error", "invalid_input")], world
    return [written(role, kind, new, after)], after


def _still(role: Role, kind: str, new: Row, after: World) -> bool:
    return allowed(role, "update", kind, new, after) and visible(role, kind, new, after)


def delete(role: Role, kind: str, key: str, world: World) -> tuple[list[Answer], World]:
    if not might(role, "delete", kind):
        return [refused(role)], world
    row = world[kind].get(key)
    if row is None or not visible(role, kind, row, world):
        return [MISSING], world
    if not allowed(role, "delete", kind, row, world):
        return [refused(role)], world
    return [("ok", True)], without(world, kind, [key])


def without(world: World, kind: str, keys: Iterable[str]) -> World:
    """The world without some rows, after what their links say: comments go with their article, notices lose their diary."""
    after, gone = deepcopy(world), set(keys)
    for key in gone:
        del after[kind][key]
    if kind == "article":
        after["comment"] = {key: row for key, row in after["comment"].items() if row["article_id"] not in gone}
    if kind == "diary":
        for row in after["notice"].values():
            row["diary_id"] = None if row["diary_id"] in gone else row["diary_id"]
    return after


def _with(world: World, kind: str, row: Row) -> World:
    return {**world, kind: {**world[kind], row["id"]: row}}


def _ungivable(role: Role, kind: str, given: Mapping[str, Any], verb: str) -> bool:
    """Is there anything in it that the server alone decides?"""
    if verb == "update" and not given.keys().isdisjoint(("id", "owner_id")):
        return not role.trusted or "id" in given
    return any((kind, name, verb) in GIVEN and not GIVEN[kind, name, verb](role) for name in given)


def dangling(role: Role, kind: str, given: Mapping[str, Any], world: World) -> bool:
    """Is a row to be linked to what is not there for the role?"""
    name, target = CHECKED.get(kind, ("", ""))
    key = given.get(name)
    row = world[target].get(key) if key else None
    return key is not None and not (row and visible(role, target, row, world))


def _unreachable(role: Role, kind: str, given: Mapping[str, Any]) -> bool:
    """Is a row to be linked to one of a kind of which the role can see none?"""
    name, target = CHECKED.get(kind, ("", ""))
    return given.get(name) is not None and not might(role, "read", target)


def _moves(kind: str, changes: Row) -> bool:
    """Do the changes touch what a rule is about?"""
    return not changes.keys().isdisjoint(("tenant", "published", "article_id"))
