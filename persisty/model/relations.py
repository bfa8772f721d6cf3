"""Resolve declared links: look up their targets by name, and find and check the attributes that connect the items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import Fault, InvalidDeclaration
from ..naming import snake
from .meta import Ends, Link, Metas, StoreMeta
from .schema import LinkSchema, Schema

Find = Callable[[str], Any]
"""A name as it is written in the declaring module → the class there, or the name itself."""


def ends_of(link: Link, owner: StoreMeta[Any], metas: Metas, in_module: Find) -> Ends:
    """Return the ends of a link. `InvalidDeclaration` for a name that no item has, or ends that do not fit."""
    target = _target(link, owner, link.target, metas, in_module)
    if link.kind == "belongs_to":
        return _fitting(
            link, owner, Ends(target, _attribute(link, owner, owner, link.by), _key(link, owner, target)), target
        )
    if link.through is None:
        remote = _foreign_key(link, owner, owner, target, link.declared.by)
        return _fitting(link, owner, Ends(target, _key(link, owner, owner), remote), target)
    middle = _target(link, owner, link.through, metas, in_module)
    near = _foreign_key(link, owner, owner, middle, None)
    far = _foreign_key(link, owner, target, middle, link.declared.by)
    if near == far:
        raise _wrong(link, owner, f"uses one attribute of {middle.name} for both ends: name the other in `by`")
    return Ends(target, _key(link, owner, owner), _key(link, owner, target), middle, near, far)


def targets_item(link: Link, meta: StoreMeta[Any]) -> bool:
    """Return whether the declared name of the target is that of this item."""
    if isinstance(link.target, str):
        return snake(link.target) == meta.name or link.target == meta.item.__name__
    target = getattr(link.target, "__persisty__", None)
    return target is meta or (isinstance(target, StoreMeta) and target.name == meta.name)


def _target(link: Link, owner: StoreMeta[Any], named: Any, metas: Metas, in_module: Find) -> StoreMeta[Any]:
    if isinstance(named, str):
        named = metas.get(snake(named)) or in_module(named)
    meta: Any = getattr(named, "__persisty__", named)
    if not isinstance(meta, StoreMeta):
        raise _wrong(link, owner, f"leads to {named!r}, which is not a stored item")
    return metas.get(meta.name, meta)  # the store of a class may have been replaced


def _wrong(link: Link, owner: StoreMeta[Any], message: str) -> InvalidDeclaration:
    fault = Fault(f"/{link.name}", message)
    return InvalidDeclaration(f"{owner.item.__qualname__} has a link with an invalid target", faults=[fault])


def _fitting(link: Link, owner: StoreMeta[Any], ends: Ends, target: StoreMeta[Any]) -> Ends:
    local, remote = owner.attributes[ends.local], target.attributes[ends.remote]
    if local.kind is not remote.kind:
        message = f"compares {local.name}, a {local.kind}, with {target.name}'s {remote.name}, a {remote.kind}"
        raise _wrong(link, owner, message)
    return ends


def _attribute(link: Link, owner: StoreMeta[Any], of: StoreMeta[Any], name: str) -> str:
    if name not in of.attributes:
        raise _wrong(link, owner, f"uses the key in {name}, which is not an attribute of {of.name}")
    return name


def _key(link: Link, owner: StoreMeta[Any], of: StoreMeta[Any]) -> str:
    if len(of.key_attributes) != 1:
        raise _wrong(link, owner, f"uses the key of {of.name}, which has several attributes")
    return of.key_attributes[0].name


def _foreign_key(link: Link, owner: StoreMeta[Any], to: StoreMeta[Any], of: StoreMeta[Any], by: str | None) -> str:
    """Return the attribute of `of` that has the key of `to`."""
    if by is not None:
        return _attribute(link, owner, of, by)
    found = [one.by for one in of.links.values() if one.kind == "belongs_to" and targets_item(one, to)]
    if len(found) > 1:
        raise _wrong(link, owner, f"is ambiguous, because {of.name} has {', '.join(found)}: name one in `by`")
    return _attribute(link, owner, of, found[0] if found else f"{to.name}_{_key(link, owner, to)}")


def resolved_schema(meta: StoreMeta[Any]) -> Schema:
    """Return the schema of an item with the store name of each link's target.

    A declaration may name a class that is declared later. Its store may have another name.
    """
    links = tuple(_resolved(one, meta.links[one.name].ends) for one in meta.schema.links)
    return msgspec.structs.replace(meta.schema, links=links)


def _resolved(declared: LinkSchema, ends: Ends) -> LinkSchema:
    through = None if ends.middle is None else ends.middle.name
    return msgspec.structs.replace(declared, target=ends.target.name, through=through)
