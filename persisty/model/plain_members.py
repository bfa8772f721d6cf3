"""Members of enums of whole numbers, as values that msgspec converts: it takes members of other enums, and of these their values alone."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from .nesting import MAX_NESTING

COLLECTIONS = (list, tuple, set, frozenset)


def spelled(value: Any) -> Any:
    """Return the value with numbers in the place of such members, within collections and mappings too."""
    if isinstance(value, enum.Enum):
        return value.value if type(value.value) is int and not isinstance(value, int) else value
    if isinstance(value, Mapping):
        return {spelled(name): spelled(one) for name, one in value.items()}
    if type(value) in COLLECTIONS:
        return type(value)(spelled(one) for one in value)
    return value


def has_members(value: Any) -> bool:
    """Return whether there are such members within the value. A value that is nested too deeply has none: it is refused in any case."""
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
