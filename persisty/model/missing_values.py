"""The value of an attribute that a stored item lacks, because it was stored before the attribute was declared.

```
a constant default                       the default
a default that makes a list or object    a new copy of it
VERSION                                  1, the first version
any other function or generator          null, because each read would return another value
no default                               null
```
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from .generators import VERSION
from .indexes import Index
from .meta import Attribute, StoreMeta
from .schema import AttributeSchema, Default, Function, IndexSchema, Schema, Value
from .stored_names import as_stored, stored_names
from .type_construction import FACTORIES


def value_before(attribute: Attribute) -> Callable[[], Any] | None:
    """Return a function that returns the value. None if the value is null."""
    default = attribute.default
    if attribute.generator is not None:
        return VERSION.create if attribute.generator is VERSION and not attribute.optional else None
    if default is None:
        return None
    if not callable(default):
        return lambda: default
    constant = default in FACTORIES.values() or (isinstance(default, partial) and default.func is msgspec.convert)
    return default if constant else None


def default_before(one: AttributeSchema) -> Default | None:
    """Return the default of a schema that gives the value. None if the value is null."""
    if one.generator is not None:
        return Value(value=VERSION.create()) if one.generator == VERSION.name and not one.optional else None
    if isinstance(one.default, Function):
        return one.default if one.default.function in FACTORIES else None
    return None if one.default == Value(value=None) else one.default


def late_indexes(stored: Schema | None, declared: StoreMeta[Any]) -> list[Index]:
    """Return the indexes that miss stored items if an engine indexes only items that have all attributes.

    `stored`: the schema that was applied last, None if it is unknown. Such an index is new, or has an attribute that is new or was null in stored items
    that lack it, and the attribute has a value there now.
    """
    optional = {} if stored is None else {one.name: one.optional for one in stored.attributes}
    names = {} if stored is None else {place: optional[name] for name, place in stored_names(stored).items()}
    indexes = set() if stored is None else {as_stored(stored, one).attributes for one in stored.indexes}
    now = stored_names(declared.schema)

    def late(index: Index) -> bool:
        attributes = [(name, declared.attributes[name]) for name in index.attributes]
        defaulted = [(now[name], one) for name, one in attributes if value_before(one) is not None]
        is_stored = as_stored(declared.schema, index).attributes in indexes
        has_all = all(place in names and (one.optional or not names[place]) for place, one in defaulted)
        return bool(defaulted) and not (is_stored and has_all)

    return [index for index in declared.indexes if late(index)]


def unwritten_indexes(stored: Schema, declared: Schema) -> list[IndexSchema]:
    """Return the stored indexes over an attribute that the declaration lacks, or that may be None there although it is required in the stored schema. Such an
    index may miss the items that code with this declaration creates, because they lack the attribute."""
    before, now = stored_names(stored), stored_names(declared)
    required = {before[one.name] for one in stored.attributes if not one.optional}
    written = {now[one.name] for one in declared.attributes if not (one.optional and now[one.name] in required)}
    return [one for one in stored.indexes if not written.issuperset(as_stored(stored, one).attributes)]
