"""Convert single values to the types of attributes: values to store, operands of comparisons, and the values of a key."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from ..errors import Fault, InvalidInput
from .decimal_texts import check_attribute, check_text
from .expressions import Filter
from .integer_enums import has_integer_members, with_numbers
from .json_numbers import contains_unrounded, convert_exactly
from .keys import KeyValues
from .meta import Attribute, StoreMeta
from .msgspec_faults import INVALID_KEY
from .type_words import type_words
from .types import NORMALISE, Kind


def typed(attribute: Attribute, value: Any, *, strict: bool = True) -> Any:
    """Return the value in the attribute's type, or raise msgspec's `ValidationError` or a `ValueError`. None is valid if the attribute is optional."""
    if value is None:
        if attribute.optional:
            return None
        raise ValueError(f"Expected {type_words(attribute)}, got null")
    check_attribute(attribute, value)
    value = converted(value, attribute.type, strict=strict)
    return attribute.normalise(value) if attribute.normalise else value


def converted(value: Any, annotation: Any, *, strict: bool = True) -> Any:
    """Return a value in the type of an annotation. Raises what `typed` raises."""
    if type(value) in SCALARS:
        return msgspec.convert(value, annotation, strict=strict)
    if has_integer_members(value):
        value = with_numbers(value)
    if contains_unrounded(value):
        return convert_exactly(value, annotation)
    try:
        return msgspec.convert(value, annotation, strict=strict)
    except msgspec.ValidationError as error:
        if INVALID_KEY not in str(error):
            raise
        return msgspec.convert(
            value, annotation, strict=strict, str_keys=True
        )  # the option doubles the time of the conversion


LENIENT = frozenset({Kind.INTEGER, Kind.FLOAT, Kind.BOOLEAN, Kind.ENUM})
"""Kinds that are no text in JSON, so that text from a URL is converted to them. msgspec would also take the text `1767225600` for a time."""
SCALARS = frozenset({str, int, float, bool, bytes, UUID, datetime, date, Decimal})
"""Types of most values. They contain no other values, so neither an `UnroundedNumber` nor a member of an enum."""


def operand(attribute: Attribute, value: Any, *, strict: bool = True) -> Any:
    """Return a value for a comparison: of the attribute's type, but without its constraints (`age__lt=200` is valid)."""
    if attribute.kind is Kind.DECIMAL:
        check_text(value)
    value = converted(value, attribute.operand, strict=strict or attribute.kind not in LENIENT)
    normalise = NORMALISE.get(attribute.kind)  # the normaliser of the attribute also checks the bounds of a decimal
    return normalise(value) if normalise else value


def key_values(meta: StoreMeta[Any], given: tuple[Any, ...], path: str) -> KeyValues:
    """Return the typed values of a key given as values, one for each key attribute. Raises `InvalidInput`."""
    attributes = meta.key_attributes
    try:
        return tuple([typed(attribute, value) for attribute, value in zip(attributes, given, strict=True)])
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        if any(isinstance(value, Filter) for value in given):
            raise InvalidInput(faults=[Fault(path, FILTER_AS_KEY, "a key", "a filter")]) from error
        expected = ", ".join(f"{attribute.name}: {attribute.kind}" for attribute in attributes)
        raise InvalidInput(faults=[Fault(path, f"Not a key of {meta.name}", f"text, or ({expected})")]) from error


FILTER_AS_KEY = "Not a key. `update_all(changes, where)` and `delete_all(where)` write the items that match a filter"
"""Message for a filter in the place of a key."""


def typed_all(attribute: Attribute, values: list[Any]) -> list[Any]:
    for value in values:
        check_attribute(attribute, value)
    found: list[Any] = msgspec.convert(values, list[attribute.type])  # type: ignore[name-defined]
    return list(map(attribute.normalise, found)) if attribute.normalise else found
