"""Join two changes of one schema that were made without each other: a three-way merge by attribute, index, link and type.

```
base       car(id, odometer, price)
change     car(id, mileage ◄ odometer, price)      on one branch
other      car(id, odometer, price, seats)         on the other branch
result     car(id, mileage ◄ odometer, price, seats)
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import structs

from .msgspec_faults import pointer
from .schema import AttributeSchema, Schema

X = TypeVar("X")
PARTS = frozenset({"attributes", "indexes", "links", "types"})
"""Members that are merged part by part. Of any other member, the changed value is taken."""


def merged(base: Schema, change: Schema, other: Schema) -> tuple[Schema, list[str]]:
    """Return `other` with what differs between `base` and `change`, and the paths that both have changed in different ways."""
    path = f"/{change.name}"
    three = (base, change, other)
    attributes, found = _merged([{part.name: part for part in one.attributes} for one in three], _stored)
    links, linked = _merged([{part.name: part for part in one.links} for one in three], _same)
    types, typed = _merged([one.types for one in three], _same)
    added, removed = {*change.indexes} - {*base.indexes}, {*base.indexes} - {*change.indexes}
    indexes = [one for one in dict.fromkeys((*other.indexes, *change.indexes)) if one in added or one in other.indexes]
    indexes = [one for one in indexes if one not in removed]
    whole = {
        name: getattr(change, name)
        for name in Schema.__struct_fields__
        if name not in PARTS and getattr(change, name) != getattr(base, name)
    }
    result = structs.replace(
        other,
        attributes=tuple(attributes.values()),
        links=tuple(links.values()),
        types=types,
        indexes=tuple(indexes),
        **whole,
    )
    paths = [path + pointer(one) for one in (*found, *linked, *typed, *_renamed_twice(attributes.values()))]
    missing = {name for one in indexes for name in one.attributes} | {*result.key}
    paths += [path + pointer(name) for name in sorted(missing - attributes.keys())]
    if len({base.key, change.key, other.key}) == 3:
        paths.append(path)
    return result, list(dict.fromkeys(paths))


def _same(one: Any) -> Any:
    return one


def _stored(one: AttributeSchema | None) -> AttributeSchema | None:
    """Return an attribute without what a table does not tell: its id, and its former names."""
    return None if one is None else structs.replace(one, id=one.name, former_names=(), description=None)


def _merged(parts: Sequence[Mapping[str, X]], comparable: Callable[[X | None], Any]) -> tuple[dict[str, X], list[str]]:
    """Return the parts of `other` with the changes, and the names of those that both have changed in different ways."""
    base, change, other = parts
    result, clashes = dict[str, X](), list[str]()
    for name in dict.fromkeys((*other, *change, *base)):
        before, here, there = (comparable(one.get(name)) for one in parts)
        if before != here and there not in (before, here):
            clashes.append(name)
        chosen = (change if before != here else other).get(name)
        if chosen is not None:
            result[name] = chosen
    return result, clashes


def _renamed_twice(attributes: Iterable[AttributeSchema]) -> list[str]:
    """Return the attributes that have a former name of another one: both branches have renamed it."""
    seen: set[str] = set()
    found = []
    for one in attributes:
        if not seen.isdisjoint(one.former_names):
            found.append(one.name)
        seen |= {*one.former_names}
    return found
