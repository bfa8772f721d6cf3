"""Copies of items, so that nobody changes what is kept by changing what was given or taken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from .meta import StoreMeta
from .types import Kind

T = TypeVar("T")
UNCHANGEABLE = (str, int, float, bool, type(None))


def copier(meta: StoreMeta[T]) -> Callable[[T], T]:
    """Makes copies of an item that share nothing that can be changed."""
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
