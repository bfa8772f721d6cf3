"""Members of enums of whole numbers, as values that msgspec converts: it takes members of other enums, and of these their values alone."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

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
    """Return whether there are such members within the value."""
    if isinstance(value, enum.Enum):
        return type(value.value) is int and not isinstance(value, int)
    if isinstance(value, Mapping):
        return any(has_members(one) for pair in value.items() for one in pair)
    return type(value) in COLLECTIONS and any(map(has_members, value))
