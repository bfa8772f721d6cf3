"""The values that an enum or a `Literal` has in an engine, which stores them as plain text or numbers.

A stored value that is none of them is not of the declared type: see `unreadable_items`. A filter may have it all the same, so only decoding asks.
"""

from __future__ import annotations

from typing import Any, get_args

from .meta import Attribute
from .types import Kind, bare, is_literal


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
    return Kind.INTEGER if all(isinstance(member.value, int) for member in bare(attribute.type)) else Kind.STRING
