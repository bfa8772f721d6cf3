"""From the text of a file to the types of an item: the stage between reading a row and creating an item.

This converts and does not judge: text that is no number stays text, so that the one validation, which the store does
anyway, names every fault of the row.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from ..model.meta import Attribute, StoreMeta
from ..model.types import Kind, bare

Values = dict[str, Any]


def typed_values(
    meta: StoreMeta[Any], *, truths: Mapping[str, bool] | None = None, json_text: bool = False
) -> Callable[[Mapping[str, Any]], Values]:
    """Return the function from the values of a row to the input for a new item.

    Text is parsed leniently, as in URLs: `"12"` for an integer. `truths` are further spellings of booleans. With `json_text`, text for a JSON attribute is
    parsed as JSON, because CSV has no other form. A null for an attribute that cannot be null is left out, so that its default or generator applies.
    """
    readers = [
        (name, reader) for name, one in meta.attributes.items() if (reader := _reader(one, truths or {}, json_text))
    ]
    needed = {name for name, one in meta.attributes.items() if not one.optional}

    def typed(given: Mapping[str, Any]) -> Values:
        values = {name: value for name, value in given.items() if value is not None or name not in needed}
        for name, read in readers:
            text = values.get(name)
            if isinstance(text, str):
                values[name] = read(text)
        return values

    return typed


def _reader(attribute: Attribute, truths: Mapping[str, bool], json_text: bool) -> Callable[[str], Any] | None:
    """Return the parser of the attribute's type, or None if validation accepts text as it is (dates, UUIDs, decimals…)."""
    target = bare(attribute.type)
    match attribute.kind:
        case Kind.BOOLEAN if truths:
            return partial(_truth, truths)
        case Kind.INTEGER | Kind.FLOAT | Kind.BOOLEAN:
            return partial(_lenient, target)
        case Kind.ENUM if issubclass(target, enum.Enum) and not all(isinstance(one.value, str) for one in target):
            return partial(_lenient, target)
        case Kind.JSON if json_text:
            return _json
    return None


def _lenient(target: type, text: str) -> Any:
    try:
        return msgspec.convert(text, target, strict=False)
    except msgspec.ValidationError:
        return text


def _truth(truths: Mapping[str, bool], text: str) -> Any:
    return truths[text] if text in truths else _lenient(bool, text)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
