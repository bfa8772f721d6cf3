"""The oracle of the role suite: right answers over plain dicts, by handwritten predicates that share no code with persisty's rules.

A world is kind → key → row. An answer is `("ok", value)` or `("error", code)`. Every verb returns all right answers. There are
several if a rule cannot match any item, because the engine then need not search for the item.
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
"""Kind → values that a create may leave out."""
REQUIRED: dict[str, tuple[str, ...]] = {
    "diary": ("id", "owner_id"), "ledger": ("id", "tenant"), "article": ("id", "owner_id"),
    "comment": ("id", "owner_id", "article_id"), "profile": ("id", "owner_id"), "vault": ("id",), "notice": ("id",),
    "team": ("id", "tenant"), "enrolment": ("id", "owner_id", "profile_id", "team_id"),
}  # fmt: skip
KINDS = tuple(DEFAULTS)
OWNED = frozenset(kind for kind, names in REQUIRED.items() if "owner_id" in names)


def attributes(kind: str) -> tuple[str, ...]:
    """Return all attributes of a kind."""
    return (*REQUIRED[kind], *DEFAULTS[kind])


# Predicates


def is_own(role: Role, row: Row, world: World) -> bool:
    return role.subject is not None and row.get("owner_id") == role.subject


def admin(role: Role, row: Row, world: World) -> bool:
    return role.admin


def own(role: Role, row: Row, world: World) -> bool:
    return is_own(role, row, world) or role.admin


def of_tenant(role: Role, row: Row, world: World) -> bool:
    return row["tenant"] in role.tenants or role.admin


def read_article(role: Role, row: Row, world: World) -> bool:
    return row["published"] or own(role, row, world)


def delete_article(role: Role, row: Row, world: World) -> bool:
    return role.admin or (is_own(role, row, world) and not row["published"])


def _article(row: Row, world: World) -> Row:
    return world["article"].get(row["article_id"], {"published": False})


def read_comment(role: Role, row: Row, world: World) -> bool:
    return _article(row, world)["published"] or own(role, row, world)


def create_comment(role: Role, row: Row, world: World) -> bool:
    return role.admin or (_article(row, world)["published"] and is_own(role, row, world))


def delete_comment(role: Role, row: Row, world: World) -> bool:
    return own(role, row, world) or is_own(role, _article(row, world), world)


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
"""Kind → verb → whether a role may do it with a row. Trusted code may do everything (`allowed`)."""


def _is_identified(role: Role) -> bool:
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
    "diary": _each(_is_identified),
    "ledger": _each(_in_tenant),
    "article": _each(_is_identified, read=_always),
    "comment": _each(_is_identified, read=_always),
    "profile": _each(_is_identified, read=_always, delete=_admin),
    "vault": _each(_never),
    "notice": _each(_always),
    "team": _each(_in_tenant),
    "enrolment": _each(_never, read=_is_identified),
}
"""Kind → verb → whether a row could exist with which the role may do it."""
SEEN: dict[tuple[str, str], Predicate] = {
    ("article", "reviewer_id"): own,
    ("profile", "email"): own,
    ("profile", "score"): admin,
    ("profile", "realm"): admin,
    ("profile", "digest"): no_one,
}
"""Attributes that only some roles see, and on which rows. `digest` is for trusted code only."""
GIVEN: dict[tuple[str, str, str], Callable[[Role], bool]] = {
    ("profile", "score", "create"): _admin,
    ("profile", "score", "update"): _admin,
    ("profile", "digest", "create"): _never,
    ("profile", "digest", "update"): _never,
    ("ledger", "version", "create"): _never,
    ("ledger", "version", "update"): _never,
}
"""(kind, attribute, verb) → whether a role may set it at all. Owners and keys are set on create only."""
CHECKED = {"comment": ("article_id", "article"), "notice": ("diary_id", "diary")}
"""Kind → its foreign key and the target's kind. The target must exist and be visible to the role."""


def refused(role: Role) -> Answer:
    """Return the error for a role that sends a request that is not allowed."""
    return ("error", "unauthenticated" if role.subject is None else "forbidden")


def allowed(role: Role, verb: str, kind: str, row: Row, world: World) -> bool:
    return role.trusted or RULES[kind][verb](role, row, world)


def might(role: Role, verb: str, kind: str) -> bool:
    """Return whether a row could exist that the role sees and with which it may do this."""
    return role.trusted or (MIGHT[kind][verb](role) and (verb == "create" or MIGHT[kind]["read"](role)))


def visible(role: Role, kind: str, row: Row, world: World) -> bool:
    return allowed(role, "read", kind, row, world)


def seen(role: Role, kind: str, name: str, row: Row, world: World) -> bool:
    """Return whether the role sees this attribute of the row."""
    return role.trusted or SEEN.get((kind, name), anyone)(role, row, world)


def shown(role: Role, kind: str, row: Row, world: World) -> Row:
    """Return the row as the role sees it."""
    return {name: value for name, value in row.items() if seen(role, kind, name, row, world)}


def known(role: Role, kind: str) -> tuple[str, ...]:
    """Return the attributes that the role sees on all rows or on some."""
    partial = ("reviewer_id", "email") if role.subject is not None else ()
    return tuple(
        name
        for name in attributes(kind)
        if role.trusted or (kind, name) not in SEEN or name in partial or (role.admin and name != "digest")
    )


# Reads


def rows(role: Role, kind: str, world: World) -> list[Row]:
    """Return the rows that the role sees, in the order of their keys."""
    return [row for _, row in sorted(world[kind].items()) if visible(role, kind, row, world)]


def read(role: Role, kind: str, key: str, world: World) -> Answer:
    if not might(role, "read", kind):
        return refused(role)
    row = world[kind].get(key)
    return ("ok", shown(role, kind, row, world)) if row and visible(role, kind, row, world) else MISSING


def search(role: Role, kind: str, world: World, matches: Callable[[Row], bool] = lambda row: True) -> Answer:
    """Return the answer of a search. `matches` gets the row as the role sees it, like a filter."""
    if not might(role, "read", kind):
        return refused(role)
    found = (shown(role, kind, row, world) for row in rows(role, kind, world))
    return ("ok", [row for row in found if matches(row)])


def related(
    role: Role, kind: str, row: Row, local: str, target: str, remote: str, world: World, single: bool = False
) -> Any:
    """Return the rows behind a link: those whose `remote` equals this row's `local`. The role must see both attributes."""
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
    """Return the answer for a row that the role wrote: only the key if the role may not read it."""
    return ("ok", shown(role, kind, row, world) if visible(role, kind, row, world) else {"id": row["id"]})


def create(role: Role, kind: str, given: Row, world: World) -> tuple[list[Answer], World]:
    """Return the right answers, and the world afterwards."""
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
    """Return the world without some rows and after their referential actions.

    Comments are deleted with their article; notices lose their diary.
    """
    after, deleted = deepcopy(world), set(keys)
    for key in deleted:
        del after[kind][key]
    if kind == "article":
        after["comment"] = {key: row for key, row in after["comment"].items() if row["article_id"] not in deleted}
    if kind == "diary":
        for row in after["notice"].values():
            row["diary_id"] = None if row["diary_id"] in deleted else row["diary_id"]
    return after


def _with(world: World, kind: str, row: Row) -> World:
    return {**world, kind: {**world[kind], row["id"]: row}}


def _ungivable(role: Role, kind: str, given: Mapping[str, Any], verb: str) -> bool:
    """Return whether `given` has an attribute that only the server sets."""
    if verb == "update" and not given.keys().isdisjoint(("id", "owner_id")):
        return not role.trusted or "id" in given
    return any((kind, name, verb) in GIVEN and not GIVEN[kind, name, verb](role) for name in given)


def dangling(role: Role, kind: str, given: Mapping[str, Any], world: World) -> bool:
    """Return whether `given` links to a row that the role does not see."""
    name, target = CHECKED.get(kind, ("", ""))
    key = given.get(name)
    row = world[target].get(key) if key else None
    return key is not None and not (row and visible(role, target, row, world))


def _unreachable(role: Role, kind: str, given: Mapping[str, Any]) -> bool:
    """Return whether `given` links to a kind of which the role can see no row."""
    name, target = CHECKED.get(kind, ("", ""))
    return given.get(name) is not None and not might(role, "read", target)


def _moves(kind: str, changes: Row) -> bool:
    """Return whether the changes touch an attribute that a rule names."""
    return not changes.keys().isdisjoint(("tenant", "published", "article_id"))
