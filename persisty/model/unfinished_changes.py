"""Attributes whose stored values an interrupted migration has rewritten in part, so that items have values of two declarations.

An engine without columns does not say how far such a migration came. It therefore records the form and the stored name that it writes (`begun`), and the
next migration decides by its own declaration:

```
applied     begun       declared    items have           the next migration
string      integer     integer     strings, integers    strings → integers: it continues
string      integer     string      strings, integers    integers → strings: the declaration was taken back
string      integer     boolean     strings, integers    is refused, because the integers may have no conversion
```
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from .schema import AttributeSchema, Schema
from .schema_differences import form
from .schema_types import Boolean, Date, Datetime, Float, Integer, Number, String, Type, Uuid
from .stored_names import predecessors, stored_names
from .value_conversions import CONVERSIONS

TYPES: dict[str, Type] = {
    "string": String(),
    "integer": Integer(),
    "float": Float(),
    "decimal": Number(),
    "boolean": Boolean(),
    "datetime": Datetime(),
    "date": Date(),
    "uuid": Uuid(),
}
"""Form of convertible values → a type of that form."""


class Stored(Struct, frozen=True):
    """The form of the values of an attribute, and the name under which they are stored."""

    form: str
    place: str


Begun = Mapping[str, Stored]
"""Attribute of the applied schema → the values that an interrupted migration writes."""


def rewritten(applied: Schema, declared: Schema) -> dict[str, Stored]:
    """Return the attributes whose values a migration to the declaration writes in another form or under another name."""
    found = {}
    for name, was in predecessors(applied, declared).items():
        before, after = _stored(applied, was.name), _stored(declared, name)
        converted = (before.form, after.form) in CONVERSIONS
        if converted or before.place != after.place:
            found[was.name] = after if converted else structs.replace(after, form=before.form)
    return found


def with_unfinished(stored: Schema, applied: Schema, begun: Begun, declared: Schema) -> tuple[Schema, dict[str, str]]:
    """Return the schema from which a migration to the declaration starts, and the declared attributes that it refuses, each with the reason."""
    refused: dict[str, str] = {}
    replaced: dict[str, AttributeSchema] = {}
    attributes = {one.name: one for one in stored.attributes}
    for name, known in predecessors(applied, declared).items():
        if known.name not in begun or known.name not in attributes:
            continue
        was, written, now = _stored(applied, known.name), begun[known.name], _stored(declared, name)
        for before, after, declares in ((was.form, written.form, now.form), (was.place, written.place, now.place)):
            if before != after and declares not in (before, after):
                refused[name] = (
                    f"A migration of its values from {before} to {after} was interrupted, so items have both. Declare {before} or {after}, and run "
                    "`persisty migrate` before this change"
                )
        replaced[known.name] = _taken_back(attributes[known.name], was, written, now)
    return structs.replace(stored, attributes=tuple(replaced.get(one.name, one) for one in stored.attributes)), refused


def _taken_back(attribute: AttributeSchema, was: Stored, written: Stored, now: Stored) -> AttributeSchema:
    """Return an attribute as the interrupted migration writes it, where the declaration is again the applied one."""
    if was.form != written.form and now.form == was.form:
        attribute = structs.replace(attribute, type=TYPES[written.form], default=None, generator=None)
    if was.place != written.place and now.place == was.place:
        former = () if written.place == attribute.name else (written.place,)
        attribute = structs.replace(attribute, id=written.place, former_names=former)
    return attribute


def _stored(schema: Schema, name: str) -> Stored:
    attribute = next(one for one in schema.attributes if one.name == name)
    return Stored(form(schema, attribute), stored_names(schema)[name])
