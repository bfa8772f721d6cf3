"""The values of items that lack an attribute, before and after a change of the declaration.

An absent attribute reads with its default, or as None. If the default changes, or the attribute leaves its last index, it would read as another value:
where None could not be stored, because an index takes no NULL, it is absent. A migration therefore stores the former value first.

```
declared before                            declared now                absent before    absent now    stored by the migration
note: str | None = "n", Index("note")      note: str | None = "n"      None             "n"           NULL
note: str = "a"                            note: str = "b"             "a"              "b"           "a"
```
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import structs

from ...model.former_schemas import compile_stored, exact_attribute
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import IndexSchema, Schema
from ...model.schema_differences import form
from ...model.stored_names import predecessors, stored_index, stored_names
from ...model.unreadable_items import FAULTS, UnreadableValue, is_readable
from ...store.migration import Evolution
from .codec import WireCodec
from .stored_indexes import indexed_places, mistyped
from .table_definitions import index_names
from .value_conversion import conversion_of
from .wire_kinds import NULL, decoded, wire_kind


def values_of_absent(
    applied: Schema, declared: StoreMeta[Any], table: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each attribute that absent would read as another value after the change, with its former value in the declared form. A required attribute that was
    None gets its default, and has no former value. `applied`: the schema of the items before an interrupted migration. `table`: its description."""
    old, new = WireCodec(compile_stored(_over_names(applied, indexed_places(table)))), WireCodec(declared)
    is_indexed = {name for one in declared.indexes for name in one.attributes}
    staying = index_names(table) - {*mistyped(table, declared)}
    stays = {name for one in declared.indexes if stored_index(declared, one) in staying for name in one.attributes}
    for name, known in predecessors(applied, declared.schema).items():
        before, after = _absent(old, known.name), _absent(new, name)
        if before == NULL and name in is_indexed and declared.attributes[name].optional:
            stays_indexed = name in stays and not _is_retyped(applied, declared, name)
            if value_before(declared.attributes[name]) is not None and not stays_indexed:
                yield name, NULL  # else `index_completion` would take absence for the default. It removes the NULL
            continue
        if name in declared.key.attributes or (before == NULL and not (known.optional and name in new.nullable)):
            continue
        if before != NULL:
            try:
                before = _converted(applied, declared, name, before)
            except FAULTS:
                continue  # `default_without_counterpart` refuses it
        if before != after:
            yield name, before


def applied_schema(evolution: Evolution, stored: Schema) -> Schema:
    """Return the schema of the items before a migration, with the indexes of both: an interrupted migration may have removed some of them, and absent attributes
    still read as they required."""
    if evolution.applied is None:
        return stored
    names = {one.name for one in stored.attributes}
    return structs.replace(
        evolution.applied,
        attributes=tuple(one for one in evolution.applied.attributes if one.name in names),
        indexes=tuple(dict.fromkeys((*stored.indexes, *evolution.applied.indexes))),
    )


def default_without_counterpart(stored: Schema, declared: StoreMeta[Any], name: str) -> bool:
    """Return whether the declared type does not allow the value that an absent attribute had."""
    known = predecessors(stored, declared.schema).get(name)
    before = NULL if known is None else absent_before(stored, known.name)
    return before != NULL and not is_readable(before, lambda wire: _converted(stored, declared, name, wire))


def absent_before(stored: Schema, name: str) -> dict[str, Any]:
    """Return the value that an absent attribute has in a stored schema."""
    return _absent(WireCodec(compile_stored(_over_names(stored, ()))), name)


def was_null(stored: Schema, declared: StoreMeta[Any], name: str) -> bool:
    """Return whether a declared attribute was null where it is absent."""
    known = predecessors(stored, declared.schema).get(name)
    return known is None or absent_before(stored, known.name) == NULL


def _converted(stored: Schema, declared: StoreMeta[Any], name: str, wire: dict[str, Any]) -> dict[str, Any]:
    """Return a value in its declared form. Raises one of `FAULTS` if the declared type does not allow it."""
    conversion = conversion_of(stored, declared, name)
    if conversion is not None:
        return conversion.converted(wire)
    if _is_retyped(stored, declared, name):
        raise UnreadableValue("no conversion")
    decoded(wire_kind(exact_attribute(declared, name)), wire)
    return wire


def _is_retyped(stored: Schema, declared: StoreMeta[Any], name: str) -> bool:
    known = predecessors(stored, declared.schema)[name]
    now = next(one for one in declared.schema.attributes if one.name == name)
    forms = form(stored, known), form(declared.schema, now)
    return forms[0] != forms[1] and "any" not in forms


def _over_names(stored: Schema, indexed: Collection[str]) -> Schema:
    """Return a stored schema with indexes over its attributes: those of a table are over the names under which these are stored."""
    places = {place: name for name, place in stored_names(stored).items()}
    found = (*stored.indexes, *(IndexSchema(attributes=(place,), unique=False) for place in sorted(indexed)))
    indexes = [
        structs.replace(one, attributes=tuple(places.get(name, name) for name in one.attributes))
        for one in found
        if all(name in places or name in places.values() for name in one.attributes)
    ]
    return structs.replace(stored, indexes=tuple(dict.fromkeys(indexes)))


def _absent(codec: WireCodec, name: str) -> dict[str, Any]:
    value = codec.absent.get(name)
    return NULL if value is None else codec.value(name, value)
