"""List the values that an enum or a `Literal` allows, for the fault of any other value.

msgspec reports only the place of the invalid value. The place leads through the type to the enum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from . import schema_types as forms
from .schema import Enumeration, Object
from .schema_types import Type, arms
from .type_descriptions import Described, description_of

MAX_CHOICES = 20
"""Values that one fault lists."""
MAX_NAMES = 50
"""Names that one fault lists."""


def one_of(names: Collection[str], most: int = MAX_NAMES) -> str | None:
    """Return the names that may be given, as "one of a, b", `…` for those after the first `most`. None if there are none."""
    listed = [*islice(names, most), *(["…"] if len(names) > most else [])]
    return f"one of {', '.join(listed)}" if listed else None


def choices(annotation: Any, steps: Sequence[str]) -> str | None:
    """Return the values that may be at this place of the type, as "one of a, b", or None if the place has no enum.

    `steps`: names of attributes, and indexes of elements or `*`. The values are those of the JSON, not the names of members.
    """
    listed = listed_choices(annotation, steps)
    return f"one of {', '.join(listed)}" if listed else None


def listed_choices(annotation: Any, steps: Sequence[str]) -> list[str]:
    """Return the values that may be at this place of the type, `…` for those after the first `MAX_CHOICES`. Empty if the place has no enum."""
    found = description_of(annotation)
    values = dict.fromkeys(_values(found, found.type, tuple(steps)))
    return [*map(str, islice(values, MAX_CHOICES)), *(["…"] if len(values) > MAX_CHOICES else [])]


def _values(described: Described, type_: Type, steps: tuple[str, ...]) -> Iterator[Any]:
    for one in arms(type_):
        definition = described.definition(one) if isinstance(one, forms.Named) else None
        if steps:
            for inner in _inner(one, definition, steps[0]):
                yield from _values(described, inner, steps[1:])
        elif isinstance(definition, Enumeration):
            yield from definition.values
        elif isinstance(one, forms.Choice):
            yield from (value for value in one.values if value is not None)


def _inner(type_: Type, definition: Any, step: str) -> Iterator[Type]:
    """Yield the types that a value may have at this step within the type."""
    match type_, definition:
        case _, Object(fields=fields):
            yield from (field.type for field in fields if field.key == step)
        case ((forms.List(items=inner) | forms.Set(items=inner) | forms.Dict(values=inner)), _):
            yield inner
        case forms.Tuple(every=Type() as inner), _:
            yield inner
        case forms.Tuple(items=tuple() as items), _:
            yield from items[int(step) : int(step) + 1] if step.isdigit() else ()
