"""Copy items, so that changing a given or returned item never changes a stored one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from .meta import StoreMeta
from .types import Kind

T = TypeVar("T")
UNCHANGEABLE = (str, int, float, bool, type(None))


def copier(meta: StoreMeta[T]) -> Callable[[T], T]:
    """Return a function that copies an item, sharing no mutable value."""
    nested = [(one.name, one.get) for one in meta.attributes.values() if one.kind is Kind.JSON]
    if not nested:
        return copy.copy

    def copied(item: T) -> T:
        made = copy.copy(item)
        for name, get in nested:
            value = get(item)
            if not isinstance(value, UNCHANGEABLE):
                setattr(made, name, copy.deepcopy(value))
        return made

    return copied
