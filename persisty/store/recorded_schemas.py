"""The text of a recorded schema: the schema, and the attributes of former declarations whose values may still be stored.

An engine without columns keeps the values of an attribute that is no longer declared, for example while older code runs after a rollback. If the attribute is
declared again, an item that lacks it has to read as before. The record therefore keeps such attributes, its leftovers, until they are declared again or dropped.

```
recorded                       declared                  recorded then
note: str | None = None        without note (rollback)   leftover note: str | None = None
leftover note: … = None        note: str | None = "n"    a default that has changed: `persisty migrate` stores the former value, None, where note is absent
```

A record is changed on the condition that no other process has written it since.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec
from msgspec import structs

from ..errors import PreconditionFailed
from ..model import nesting
from ..model.former_schemas import stored_form
from ..model.missing_values import default_before
from ..model.schema import AttributeSchema, Schema, canonical
from ..model.schema_json import read
from ..model.stored_names import stored_names
from .schema_records import LEFT, AppliedSchema
from .store import Store

LEFTOVERS = "leftovers"
"""The member of the text with the leftovers."""


class Recorded(NamedTuple):
    """A recorded schema with its leftovers."""

    schema: Schema
    leftovers: tuple[AttributeSchema, ...] = ()

    def before(self, declared: Schema) -> Schema:
        """Return the schema that stored items had before a declaration. It includes the leftovers that are declared again."""
        returning = {*stored_names(declared).values()} - {*stored_names(self.schema).values()}
        returned = tuple(one for one in self.leftovers if one.id in returning)
        return structs.replace(self.schema, attributes=self.schema.attributes + returned) if returned else self.schema

    def after(self, declared: Schema, dropped: Collection[str] = ()) -> Recorded:
        """Return the record of a declaration whose items are stored now. `dropped`: the attributes whose values were deleted."""
        places, now = stored_names(self.schema), {*stored_names(declared).values()}
        indexed = {name for index in self.schema.indexes for name in index.attributes}
        found = {one.id: one for one in self.leftovers}
        found |= {
            places[one.name]: _leftover(one, places[one.name], indexed) for one in stored_form(self.schema).attributes
        }
        left = (one for place, one in found.items() if place not in now and one.name not in dropped)
        return Recorded(declared, tuple(filter(_has_value, left)))

    def null_where_absent(self, place: str) -> Recorded:
        """Return the record of items in which an optional attribute is None where it is absent. `place`: the name under which its values are stored."""
        names = stored_names(self.schema)

        def changed(one: AttributeSchema, stored: str) -> AttributeSchema:
            return structs.replace(one, default=None) if stored == place and one.optional else one

        attributes = tuple(changed(one, names[one.name]) for one in self.schema.attributes)
        leftovers = tuple(changed(one, one.id) for one in self.leftovers)
        return Recorded(structs.replace(self.schema, attributes=attributes), leftovers)

    def text(self) -> str:
        """Return the text of the record."""
        found = canonical(self.schema)
        if self.leftovers:
            found[LEFTOVERS] = canonical(self.leftovers)
        return msgspec.json.encode(found).decode()


def recorded(text: str) -> Recorded:
    """Return the record of a text. Raises `InvalidDeclaration` if it is not one."""
    found = nesting.decode(text)
    leftovers = found.pop(LEFTOVERS, ()) if isinstance(found, dict) else ()
    return Recorded(read(Schema, found), tuple(read(AttributeSchema, one) for one in leftovers))


def change_record(
    records: Store[AppliedSchema], record: AppliedSchema, changed: Callable[[Recorded], Recorded]
) -> AppliedSchema | None:
    """Change a record, and return it as it is now. If another process writes it at the same time, read it again and change that. None if it was deleted."""
    one: AppliedSchema | None = record
    while one is not None and one.hash != LEFT:
        before = recorded(one.schema)
        now = changed(before)
        if now == before:
            return one
        changes = {"hash": now.schema.hash, "schema": now.text()}
        try:
            return records.update((one.app, one.store), changes, when=AppliedSchema.hash == one.hash)
        except PreconditionFailed:
            one = records.read((one.app, one.store))
    return one


def _leftover(one: AttributeSchema, place: str, indexed: Collection[str]) -> AttributeSchema:
    """Return an attribute as a leftover. Its id is the name under which its values are stored, its default the value of an item that lacks it: None for an
    optional attribute of an index, because an index takes no stored null."""
    is_null = one.optional and one.name in indexed
    return structs.replace(one, id=place, default=None if is_null else one.default)


def _has_value(one: AttributeSchema) -> bool:
    """Return whether an item that lacks the attribute can be read. Any other attribute counts as new if it is declared again, so each item is checked."""
    return one.optional or default_before(one) is not None
