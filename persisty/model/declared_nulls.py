"""Nested values that are null because their declaration allows it, not because the stored value has another type.

A filter treats both as null. An access rule must tell them apart: see `query.certain_matches`, which compares with the operator `DECLARED_NULL`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from .meta import Attribute
from .stored_objects import StoredObject, stored_value
from .unreadable_items import unreadable

DECLARED_NULL = "declared_null"
"""The operator of such a comparison. No caller can give it: it is in resolved filters of access rules only."""


def null_steps(attribute: Attribute) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
    """Yield each part of the path of a nested attribute, whether null is a declared value there, and whether the attribute is null if the stored object ends
    before it."""
    for number, ((nullable, defaults), absent) in enumerate(zip(attribute.nulls, attribute.absences, strict=True), 1):
        yield attribute.path[:number], nullable, defaults and (absent is None or absent is UNSET)


def may_be_null(attribute: Attribute) -> bool:
    """Return whether null is a declared value of an attribute, which may be nested."""
    return attribute.optional or any(nullable or absent for _, nullable, absent in null_steps(attribute))


def is_declared_null(attribute: Attribute, item: Any) -> bool:
    """Return whether a nested attribute of an item is null, and its declaration allows that."""
    if attribute.get(item) is not None:
        return False
    if attribute.root not in unreadable(item):
        return True
    stored = stored_value(item, attribute.root)
    holder = stored.members if type(stored) is StoredObject else None
    for path, nullable, absent in null_steps(attribute):
        if not isinstance(holder, dict):
            return False
        if path[-1] not in holder:
            return absent
        holder = holder[path[-1]]
        if holder is None:
            return nullable
    return False
