"""Objects whose JSON does not fit their class, as filters see them.

A nested value that has the declared type of its field counts, whatever its neighbours are. Every other value is null. A bound is no part of the type: a number
above `Meta(le=…)` counts, as an enum's or a `Literal`'s removed member does. SQL engines evaluate the same rule within the stored JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from .types import Kind, bare, comparable, stored_type

STORED = "persisty_stored"
"""The field of an unreadable item with the stored values of its unreadable attributes that are not null. Names of attributes do not start with it."""


class StoredObject:
    """The members of a JSON object that cannot be decoded to its class. None for a JSON value of another type."""

    __slots__ = ("members",)

    def __init__(self, members: dict[str, Any] | None) -> None:
        self.members = members

    def get(self, field: str, read: Callable[[Any], Any], default: Any) -> Any:
        """Return the value of a member, its field's default if the object lacks it, and None if it does not have the declared type."""
        if self.members is None:
            return None
        if field not in self.members:
            return default
        value = self.members[field]
        return None if value is None else read(value)


def stored_json(value: Any) -> StoredObject:
    """Return a decoded JSON value that is not null as filters see it."""
    return StoredObject(value if isinstance(value, dict) else None)


def stored_value(item: Any, name: str) -> Any:
    """Return the stored value of an unreadable attribute, None for any other attribute."""
    found: dict[str, Any] | None = getattr(item, STORED, None)
    return None if found is None else found.get(name)


def member_reader(kind: Kind, annotation: Any) -> Callable[[Any], Any]:
    """Return a function from a decoded JSON value that is not null to the value of a field of this type, None if it has another type."""
    if kind is Kind.JSON:
        return stored_json
    stored = stored_type(annotation)
    if stored is not None:
        members = {one.value: one for one in bare(annotation)} if kind is Kind.ENUM else {}
        return lambda value: members.get(value, value) if type(value) is stored else None
    decode = msgspec.json.Decoder(comparable(annotation)).decode

    def read(value: Any) -> Any:
        try:
            return comparable_value(decode(msgspec.json.encode(value)))
        except ValueError:
            return None

    return read


def comparable_value(value: Any) -> Any:
    """Return a nested value, None if it is UNSET or a number that no comparison takes, such as NaN."""
    return None if value is UNSET or (type(value) is Decimal and not value.is_finite()) else value
