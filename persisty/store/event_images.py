"""Images of items in events: JSON with the names under which values are stored first, so that later code reads them after a rename.

An image is read like a stored item: an attribute that it lacks has the value of `missing_values`, and members that are no longer declared are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from ..model.dataclass_defaults import completing
from ..model.meta import Attribute, StoreMeta, per_meta
from ..model.missing_values import value_before
from ..model.stored_members import members_of
from ..model.stored_names import stored_names_of
from ..model.types import Kind
from ..model.unreadable_items import UnreadableValue

_encode = msgspec.json.Encoder().encode
Decode = Callable[[Any], Any]


def image_json(meta: StoreMeta[Any], item: Any) -> msgspec.Raw:
    """Return the JSON of an item."""
    names = _renamed(meta)
    if names is None and type(item) is meta.item:
        return msgspec.Raw(_encode(item))
    values = {place: get(item) for place, get in names or _getters(meta)}
    return msgspec.Raw(_encode({place: value for place, value in values.items() if value is not UNSET}))


def image_of(meta: StoreMeta[Any], image: bytes | msgspec.Raw) -> Any:
    """Return the item of an image under the current declaration. Raises one of `model.unreadable_items.FAULTS` if it does not fit."""
    raw = _RAW.decode(image)
    return meta.item(**{name: decode(raw.get(place)) for name, place, decode in _decoders(meta)})


_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
NULL = msgspec.Raw(b"null")


@per_meta
def _renamed(meta: StoreMeta[Any]) -> list[tuple[str, Callable[[Any], Any]]] | None:
    """Return the getters of an item whose JSON is not that of its fields. None for any other item."""
    fields = getattr(meta.item, "__struct_encode_fields__", ())
    plain = set(fields) == set(meta.attributes) and all(name == place for name, place in stored_names_of(meta).items())
    return None if plain else _getters(meta)


@per_meta
def _getters(meta: StoreMeta[Any]) -> list[tuple[str, Callable[[Any], Any]]]:
    names = stored_names_of(meta)
    return [(names[name], one.get) for name, one in meta.attributes.items()]


@per_meta
def _decoders(meta: StoreMeta[Any]) -> list[tuple[str, str, Decode]]:
    names = stored_names_of(meta)
    return [(name, names[name], _decoder(one)) for name, one in meta.attributes.items()]


def _decoder(attribute: Attribute) -> Decode:
    """Return the function that decodes the JSON of a value, None if the image lacks it. Constraints are not checked, as for stored items."""
    read = _reader(attribute)
    missing = value_before(attribute)

    def decode(raw: Any) -> Any:
        if raw is not None and raw != NULL:
            return read(raw)
        if missing is not None and (raw is None or not attribute.optional):
            return missing()
        if not attribute.optional:
            raise UnreadableValue(attribute.name)
        return None

    return decode


def _reader(attribute: Attribute) -> Decode:
    if attribute.kind is Kind.JSON:
        return completing(attribute.type, msgspec.json.Decoder(attribute.type).decode)
    members = members_of(attribute)
    if members is None:
        return msgspec.json.Decoder(attribute.operand).decode
    decode = msgspec.json.Decoder(Any).decode
    return lambda raw: members[decode(raw)]
