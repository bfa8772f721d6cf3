"""Cursors: encode a position as opaque, url-safe text that only its own query accepts.

The text is base64url of JSON `[fingerprint, {attribute: value}]`. The fingerprint is a hash of the store, the filter and
the order. The values are read back with the attributes' own types. In the key, an enum or a `Literal` may have a removed member. A forged
cursor is harmless, because the filter of the query still decides which items are returned.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from ..errors import InvalidCursor
from ..model import nesting
from ..model.expressions import Filter, OrderBy
from ..model.meta import StoreMeta
from ..model.types import INTEGER_MAX, INTEGER_MIN, stored_type
from ..model.unreadable_items import choices_of_key
from ..model.value_validation import typed

_READ = msgspec.json.Decoder(tuple[str, dict[str, Any]]).decode
_INTEGER = Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]


def _fingerprint(meta: StoreMeta[Any], where: Filter, order: tuple[OrderBy, ...]) -> str:
    return blake2b(repr((meta.name, where, order)).encode(), digest_size=6).hexdigest()


def encode_cursor(meta: StoreMeta[Any], where: Filter, order: tuple[OrderBy, ...], position: Mapping[str, Any]) -> str:
    raw = msgspec.json.encode((_fingerprint(meta, where, order), position))
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(meta: StoreMeta[Any], where: Filter, order: tuple[OrderBy, ...], cursor: str) -> dict[str, Any]:
    """Return the position. Raise `InvalidCursor` for any text that this query did not return."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        fingerprint, values = nesting.decode(raw, _READ)
        if fingerprint != _fingerprint(meta, where, order):
            raise InvalidCursor("The cursor belongs to another query")
        return {name: _value(meta, name, value) for name, value in values.items()}
    except (binascii.Error, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise InvalidCursor() from error


def _value(meta: StoreMeta[Any], name: str, value: Any) -> Any:
    attribute = meta.attributes[name]
    try:
        return typed(attribute, value)
    except (msgspec.ValidationError, ValueError):
        if name not in choices_of_key(meta):
            raise
        return msgspec.convert(value, _INTEGER if stored_type(attribute.type) is int else str)
