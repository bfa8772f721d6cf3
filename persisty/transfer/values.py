"""The second stage of an import: convert the texts of a row to the types of an item.

Values are not validated here: text that is not a number stays text. The store validates every row and reports all faults.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, get_args, get_origin

import msgspec

from ..model import nesting
from ..model.json_numbers import decode
from ..model.meta import Attribute, StoreMeta
from ..model.types import Kind, bare, stored_type, unwrap
from .postgres_arrays import array_of

Values = dict[str, Any]


def typed_values(
    meta: StoreMeta[Any], *, truths: Mapping[str, bool] | None = None, json_text: bool = False
) -> Callable[[Mapping[str, Any]], Values]:
    """Return a function that converts the values of a row into the input of a create.

    Text is read leniently, as in URLs: `"12"` for an integer. `truths` are further texts for booleans. `json_text`: the text of a JSON attribute
    is JSON, as in CSV. A null leaves out an attribute that cannot be null, so that its default or generator applies.
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
    """Return the function that converts text to the attribute's type, None if validation accepts the text (dates, UUIDs, decimals…)."""
    target = bare(attribute.type)
    match attribute.kind:
        case Kind.BOOLEAN if truths:
            return partial(_truth, truths)
        case Kind.INTEGER | Kind.FLOAT | Kind.BOOLEAN:
            return partial(_lenient, target)
        case Kind.ENUM if issubclass(target, enum.Enum) and not all(isinstance(one.value, str) for one in target):
            return partial(_lenient, target)
        case Kind.DATETIME:
            return _moment
        case Kind.BYTES if json_text:
            return _bytes
        case Kind.JSON if json_text:
            element = _element(target, truths)
            return _json if element is None else partial(_array, element)
    return None


def _lenient(target: Any, text: str) -> Any:
    try:
        return msgspec.convert(text, target, strict=False)
    except msgspec.ValidationError:
        return text if target in SCALARS else _lenient_number(text)


SCALARS = (int, float, bool)


def _lenient_number(text: str) -> Any:
    """Return the number in the text, so that the fault of an enum or a `Literal` lists its values. Text that is no number stays text."""
    try:
        return msgspec.convert(text, int | float, strict=False)
    except msgspec.ValidationError:
        return text


def _truth(truths: Mapping[str, bool], text: str) -> Any:
    return truths[text] if text in truths else _lenient(bool, text)


def _moment(text: str) -> str:
    """Return a time with its offset in hours and minutes. PostgreSQL writes `+00`, others `+0000`."""
    found = OFFSET.fullmatch(text)
    return f"{found[1]}:{found[2] or '00'}" if found else text


OFFSET = re.compile(r"(.*:\d\d(?:\.\d+)?[+-]\d\d)(\d\d)?", re.ASCII)


def _bytes(text: str) -> Any:
    """Return the bytes that PostgreSQL writes as `\\x00ff`. Any other text is base64, which contains no backslash."""
    if not text.startswith("\\x"):
        return text
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        return text


def _json(text: str) -> Any:
    try:
        return nesting.decode(text, decode)
    except msgspec.DecodeError:
        return text


def malformed(text: Any) -> str | None:
    """Return why the text of a field is not JSON, None if it is JSON or empty."""
    try:
        if isinstance(text, str) and text:
            nesting.decode(text, decode)
    except msgspec.DecodeError as error:
        return str(error).removeprefix("JSON is malformed: ")
    return None


ARRAYS = (list, set, frozenset, tuple)


def _element(target: Any, truths: Mapping[str, bool]) -> Callable[[str], Any] | None:
    """Return the function that converts the text of an element of a list or a set, or None for other types."""
    if target in ARRAYS:
        return _same
    if get_origin(target) not in ARRAYS:
        return None
    arguments = [unwrap(one)[0] for one in get_args(target) if one is not Ellipsis]
    inner = bare(arguments[0]) if len(arguments) == 1 else None
    if get_origin(inner) in ARRAYS:
        return _element(inner, truths)
    if inner is bool and truths:
        return partial(_truth, truths)
    if inner is not None and stored_type(inner) is int:
        return partial(_lenient, inner)
    return ELEMENTS.get(inner, _same)


def _same(text: str) -> str:
    return text


ELEMENTS: Mapping[Any, Callable[[str], Any]] = {
    **{scalar: partial(_lenient, scalar) for scalar in SCALARS},
    datetime: _moment,
    bytes: _bytes,
}
"""Type of the elements of an array → the function that converts their texts. Validation accepts the texts of all others."""


def _array(element: Callable[[str], Any], text: str) -> Any:
    """Return a list of JSON or of PostgreSQL's `{red,blue}`. `{}` is an empty list in PostgreSQL, and no list in JSON."""
    found = _json(text) if text.startswith("[") else text
    if isinstance(found, str):
        array = array_of(text, element)
        return _json(text) if array is None else array
    return found
