"""Check access rules when an app starts: filters, and rules of linked items, which need the other items of the app.

Names of an item's own attributes and links are checked when it is declared (`persisty.model.declaration_checks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import structs

from ..errors import Fault, InvalidDeclaration, InvalidQuery
from ..model.declaration_checks import name_faults, rules_of
from ..model.meta import StoreMeta
from ..model.rules import Rule, Through, Where, leaves
from ..query.resolution import MAX_LINKS_NESTED, links_nested, resolve_filter


def rule_faults(meta: StoreMeta[Any]) -> list[Fault]:
    """Return every fault of the item's access rules with its path: `/message/access/read/where/publishd`."""
    faults: list[Fault] = []
    for path, rule in rules_of(meta.access, meta.attributes.values()):
        found = [*_faults(rule, meta, f"/{meta.name}{path}")]
        nested = 0 if found else _links_nested(rule, meta)
        if nested > MAX_LINKS_NESTED:
            at = f"/{meta.name}{path}"
            found = [Fault(at, "Too many nested links", f"at most {MAX_LINKS_NESTED}", str(nested))]
        faults += found
    return faults


def _links_nested(rule: Rule, meta: StoreMeta[Any]) -> int:
    """Return the depth of nested links in a rule. A link through a join item counts as two."""
    match rule:
        case Through(name, inner):
            ends = meta.links[name].ends
            return (1 if ends.middle is None else 2) + _links_nested(inner, ends.target)
        case Where(asked):
            return links_nested(resolve_filter(meta, asked))
    return max((_links_nested(one, meta) for one in rule.parts), default=0)


def _faults(rule: Rule, meta: StoreMeta[Any], path: str) -> Iterator[Fault]:
    for at, leaf in leaves(rule, path):
        yield from name_faults(leaf, at, meta.attributes, meta.links)
        match leaf:
            case Where(asked):
                try:
                    resolve_filter(meta, asked, at)
                except InvalidQuery as error:
                    yield from (_named(fault, meta, at) for fault in error.faults)
            case Through(name, inner) if name in meta.links:
                yield from _behind(meta, name, inner, f"{at}/{name}")


def _behind(meta: StoreMeta[Any], link: str, rule: Rule, path: str) -> list[Fault]:
    try:
        target = meta.links[link].ends.target
    except InvalidDeclaration:
        return []  # the link itself is a fault already
    return [*_faults(rule, target, path)]


def _named(fault: Fault, meta: StoreMeta[Any], at: str) -> Fault:
    """Return the fault. For an unknown attribute, its path ends with the name instead of the operator, and it lists the known names."""
    if fault.message != UNKNOWN:
        return fault
    parent = fault.path.rpartition("/")[0]
    path = parent if parent.endswith(f"/{fault.found}") else fault.path
    for step in path.removeprefix(at).split("/"):
        meta = meta.links[step].ends.target if step in meta.links else meta
    return structs.replace(fault, path=path, expected="one of " + ", ".join(meta.attributes))


UNKNOWN = "Unknown attribute"
"""The message of `query.resolution` for a name that is not an attribute."""
