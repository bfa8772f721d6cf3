"""Replace members of integer enums by their values, because msgspec converts the members of all other enums but not of these."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from .nesting import MAX_NESTING

COLLECTIONS = (list, tuple, set, frozenset)


def with_numbers(value: Any) -> Any:
    """Return the value with each member of an integer enum replaced by its number, within collections and mappings too."""
    if isinstance(value, enum.Enum):
        return value.value if type(value.value) is int and not isinstance(value, int) else value
    if isinstance(value, Mapping):
        return {with_numbers(name): with_numbers(one) for name, one in value.items()}
    if type(value) in COLLECTIONS:
        return type(value)(with_numbers(one) for one in value)
    return value


def has_integer_members(value: Any) -> bool:
    """Return whether the value contains members of integer enums. False for a value that is nested too deeply, which is rejected anyway."""
    level = [value]
    for _ in range(MAX_NESTING + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, enum.Enum):
                if type(one.value) is int and not isinstance(one, int):
                    return True
            elif isinstance(one, Mapping):
                below += [*one, *one.values()]
            elif type(one) in COLLECTIONS:
                below += one
        if not below:
            return False
        level = below
    return False
