"""The foreign keys that lead to an item before a change of declarations and after it, by schemas alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .schema import Schema
from .stored_names import predecessors


class ForeignKey(NamedTuple):
    """An attribute with the key of another item. `former`: its name before the change."""

    attribute: str
    former: str


def foreign_keys(target: Schema, target_before: Schema, schema: Schema, before: Schema) -> Iterator[ForeignKey]:
    """Yield the attributes of a store with the key of a target, now and before. Leave out an attribute that is new, and one that no link used before.

    `before`, `target_before`: the schemas before the change.
    """
    names = {target.name, *target.former_names}
    declared = _belongs_to(schema, names) | _by(target, {schema.name})
    known = _belongs_to(before) | _by(target_before)  # a recorded link may name a class instead of its store
    for name, one in predecessors(before, schema).items():
        if name in declared and one.name in known:
            yield ForeignKey(name, one.name)


def _belongs_to(schema: Schema, targets: set[str] | None = None) -> set[str]:
    """Return the foreign keys of a store, by its own links. `targets`: only of those to these stores."""
    links = [one for one in schema.links if one.type == "belongs_to"]
    return {one.key_attribute for one in links if targets is None or one.target in targets}


def _by(target: Schema, stores: set[str] | None = None) -> set[str]:
    """Return the foreign keys that the links of their target name. `stores`: only of those to these stores."""
    links = [one for one in target.links if one.type != "belongs_to" and one.through is None]
    return {one.by for one in links if one.by is not None and (stores is None or one.target in stores)}
