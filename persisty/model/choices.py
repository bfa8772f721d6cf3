"""Say which values an enum or a `Literal` has, for the fault of a value that is none of them.

msgspec says only where the invalid value is. Its place leads through the type to the enum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import inspect

MAX_CHOICES = 20
"""Values that one fault lists."""


def choices(annotation: Any, steps: Sequence[str]) -> str | None:
    """Return the values that may be at this place of the type, as "one of a, b", or None if the place has no enum.

    `steps`: names of attributes, and indexes of elements or `*`. The values are those that travel, not the names of members.
    """
    found = dict.fromkeys(_values(inspect.type_info(annotation), tuple(steps)))
    if not found:
        return None
    listed = [str(value) for value in islice(found, MAX_CHOICES)]
    return "one of " + ", ".join(listed) + (", …" if len(found) > MAX_CHOICES else "")


def _values(shape: inspect.Type, steps: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(shape, inspect.Metadata):
        yield from _values(shape.type, steps)
    elif isinstance(shape, inspect.UnionType):
        for one in shape.types:
            yield from _values(one, steps)
    elif isinstance(shape, inspect.EnumType) and not steps:
        yield from (one.value for one in shape.cls)
    elif isinstance(shape, inspect.LiteralType) and not steps:
        yield from shape.values
    elif steps:
        for one in _inner(shape, steps[0]):
            yield from _values(one, steps[1:])


def _inner(shape: inspect.Type, step: str) -> Iterator[inspect.Type]:
    """Yield the types of what is at this step within the shape."""
    if isinstance(shape, inspect.StructType | inspect.DataclassType | inspect.TypedDictType | inspect.NamedTupleType):
        yield from (field.type for field in shape.fields if field.encode_name == step)
    elif isinstance(shape, inspect.CollectionType):
        yield shape.item_type
    elif isinstance(shape, inspect.TupleType):
        yield from shape.item_types[int(step) : int(step) + 1] if step.isdigit() else ()
    elif isinstance(shape, inspect.DictType):
        yield shape.value_type
