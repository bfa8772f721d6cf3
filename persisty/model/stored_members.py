"""The values that an enum or a `Literal` has in an engine, which stores them as plain text or numbers.

A stored value that is none of them is not of the declared type: see `unreadable_items`. A filter may have it all the same, so only decoding asks.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, get_args

from .meta import Attribute
from .types import Kind, bare, is_literal, stored_type


def members_of(attribute: Attribute) -> dict[Any, Any] | None:
    """Return stored value → value of an enum or a `Literal`, None for any other type."""
    if attribute.kind is Kind.ENUM:
        return {member.value: member for member in bare(attribute.type)}
    if attribute.kind is not Kind.JSON and is_literal(
        attribute.type
    ):  # of mixed types it is JSON, which msgspec checks
        return {value: value for value in get_args(bare(attribute.type))}
    return None


def stored_kind(attribute: Attribute) -> Kind:
    """Return the kind of an attribute; of an enum, that of its values."""
    if attribute.kind is not Kind.ENUM:
        return attribute.kind
    return Kind.INTEGER if stored_type(attribute.type) is int else Kind.STRING


class StoredChoices(dict[Any, Any]):
    """Member of an enum → its stored value. A stored value that is no member any more, such as that of a key, is encoded as it is."""

    def __init__(self, members: Mapping[Any, Any], encode: Callable[[Any], Any] | None) -> None:
        super().__init__(members)
        self._encode = encode

    def __missing__(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            raise KeyError(value)
        return value if self._encode is None else self._encode(value)
