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

from collections.abc import Iterator
from typing import Any

from msgspec import structs

from ...model.former_schemas import compile_stored
from ...model.meta import StoreMeta
from ...model.schema import Schema
from ...model.schema_differences import form
from ...model.stored_names import predecessors, stored_names
from .codec import WireCodec
from .wire_kinds import NULL


def values_of_absent(stored: Schema, declared: StoreMeta[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each attribute that absent would read as another value after the change, with its former value. A required attribute that was None gets its
    default, and a value of another type is not stored: neither has a former value."""
    places = {place: name for name, place in stored_names(stored).items()}
    indexes = [
        structs.replace(one, attributes=tuple(places.get(name, name) for name in one.attributes))
        for one in stored.indexes
    ]
    old = WireCodec(compile_stored(structs.replace(stored, indexes=tuple(dict.fromkeys(indexes)))))
    new = WireCodec(declared)
    now = {one.name: one for one in declared.schema.attributes}
    for name, known in predecessors(stored, declared.schema).items():
        if name in declared.key.attributes or form(stored, known) != form(declared.schema, now[name]):
            continue
        before, after = _absent(old, known.name), _absent(new, name)
        if before != after and (before != NULL or name in new.nullable) and (before != NULL or known.optional):
            yield name, before


def _absent(codec: WireCodec, name: str) -> dict[str, Any]:
    value = codec.absent.get(name)
    return NULL if value is None else codec.value(name, value)
