"""Names under which DynamoDB stores attributes: that of an attribute's first name, as long as its former names are declared.

An attribute that is renamed keeps the name under which its values are stored. So a rename touches no item and no index, and older and newer code read and
write the same values side by side. An attribute whose first name is declared as another attribute is stored under its own name.

```
declared            mileage: Attr[int] = Attr(former_names="odometer"), Index("mileage")
stored              odometer, in the index by-odometer
```
"""

from __future__ import annotations

from typing import Any

from ..naming import index_name
from .indexes import Index
from .meta import StoreMeta, per_meta
from .schema import AttributeSchema, IndexSchema, Schema


def stored_names(schema: Schema) -> dict[str, str]:
    """Return attribute → the name under which its values are stored."""
    names = {one.name for one in schema.attributes}
    first = {one.name: _first(one) for one in schema.attributes}
    return {name: name if stored in names else stored for name, stored in first.items()}


def _first(attribute: AttributeSchema) -> str:
    """Return the first name of an attribute: its id, unless a schema has made that up."""
    if attribute.id in (attribute.name, *attribute.former_names) or not attribute.former_names:
        return attribute.id if attribute.former_names else attribute.name
    return attribute.former_names[0]


def predecessors(stored: Schema, declared: Schema) -> dict[str, AttributeSchema]:
    """Return declared attribute → the stored attribute that has its values: the one of the same name, or of the same stored name, or of a former one."""
    before, was, now = {one.name: one for one in stored.attributes}, stored_names(stored), stored_names(declared)
    values = {was[name]: name for name in before}
    found = {name: name for name in now if name in before}
    for one in declared.attributes:
        candidates = [name for name in (values.get(now[one.name]), *reversed(one.former_names)) if name in before]
        unused = [name for name in candidates if name not in found.values()]
        if one.name not in found and unused:
            found[one.name] = str(unused[0])
    return {name: before[old] for name, old in found.items()}


def stored_renames(stored: Schema, declared: Schema) -> dict[str, str]:
    """Return former name → name, of attributes whose values are those of an attribute of another name."""
    return {one.name: name for name, one in predecessors(stored, declared).items() if one.name != name}


def as_stored(schema: Schema, index: Index | IndexSchema) -> IndexSchema:
    """Return an index of a schema over the names under which its attributes are stored."""
    names = stored_names(schema)
    return IndexSchema(attributes=tuple(names.get(name, name) for name in index.attributes), unique=index.unique)


@per_meta
def stored_names_of(meta: StoreMeta[Any]) -> dict[str, str]:
    """Return `stored_names` of an item."""
    return stored_names(meta.schema)


def stored_index(meta: StoreMeta[Any], index: Index) -> str:
    """Return the name of an index in DynamoDB."""
    names = stored_names_of(meta)
    if all(names[name] == name for name in index.attributes):
        return index.name
    return index_name(as_stored(meta.schema, index).attributes, index.unique)
