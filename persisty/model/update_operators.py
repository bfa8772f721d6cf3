"""Update operators: changes that depend on the stored value. `add` adds to a number, `append` appends to a list.

The engine applies them, so persisty cannot check the result. The bounds of a sum are sent with the write, as a condition on the number before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from ..errors import Fault
from .decimal_texts import check_attribute
from .expressions import ALL, And, Compare, Filter, Or
from .generators import Add, Append
from .json_numbers import contains_unrounded, convert_exactly
from .meta import Attribute, StoreMeta
from .types import INTEGER_MAX, INTEGER_MIN, Kind, bare, is_list, is_literal, metas_of


def _is_integer(attribute: Attribute) -> bool:
    return attribute.kind is Kind.INTEGER and not is_literal(attribute.type)


def _is_fractional(attribute: Attribute) -> bool:
    """Return whether an `add` in JSON is rejected as such, and not as an object: a sum of fractions is not exact on every engine."""
    return attribute.kind is Kind.DECIMAL or attribute.kind is Kind.FLOAT


def _is_list(attribute: Attribute) -> bool:
    return is_list(attribute.type)


JSON_OPERATORS: dict[str, tuple[Callable[[Attribute], bool], Callable[[Any], Add | Append]]] = {
    "add": (_is_integer, Add),
    "append": (_is_list, Append),
}
"""Operator in JSON, the only member of an object → (applicable attributes, change). An object is never a value of these attributes."""


def change_of_json(attribute: Attribute, value: Any) -> tuple[Any, str | None]:
    """Return (the change of `{"add": 1}` or `{"append": ["x"]}`, unchecked, and its operator), or (any other value, None)."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(word, operand)] = value.items()
        applies, change = JSON_OPERATORS.get(word, (None, None))
        if applies and change and applies(attribute):
            return change(operand), word
        if change is Add and _is_fractional(attribute):
            return Add(operand), None
    return value, None


def change_word(attribute: Attribute) -> str | None:
    """Return `add` or `append` if the attribute accepts that operator, or None."""
    if _is_list(attribute) and any(meta.max_length is not None for meta in metas_of(attribute.type)):
        return None
    return next((word for word, (applies, _) in JSON_OPERATORS.items() if applies(attribute)), None)


def typed_change(attribute: Attribute, value: Add | Append) -> Add | Append:
    """Return the change with values of the attribute's type. Raise `ValueError` or msgspec's `ValidationError` if the attribute accepts no such change."""
    if isinstance(value, Add):
        return _added(attribute, value)
    return _appended(attribute, value)


def _added(attribute: Attribute, change: Add) -> Add:
    if not _is_integer(attribute):
        raise ValueError(f"Expected any whole number to add to (`add` works on integers only), got {attribute.kind}")
    amount = msgspec.convert(change.amount, int)
    if not INTEGER_MIN <= amount <= INTEGER_MAX:
        raise ValueError("Expected an integer of 64 bits")
    for meta in metas_of(attribute.type):
        if meta.multiple_of and amount % meta.multiple_of:
            raise ValueError(f"Expected a multiple of {meta.multiple_of}")
    return Add(amount)


def _appended(attribute: Attribute, change: Append) -> Append:
    listed = bare(attribute.type)
    if not is_list(listed):
        raise ValueError(f"Expected a list to append to, got {attribute.kind}")
    if any(meta.max_length is not None for meta in metas_of(attribute.type)):
        raise ValueError("Expected a list of any length: the engine cannot check how long this one becomes")
    kind: Any = list[get_args(listed) or Any]  # type: ignore[misc]
    check_attribute(attribute, change.values)
    unrounded = contains_unrounded(change.values)
    values = convert_exactly(change.values, kind) if unrounded else msgspec.convert(change.values, kind, str_keys=True)
    return Append(tuple(attribute.normalise(values) if attribute.normalise else values))


def sums_of(meta: StoreMeta[Any], changes: Mapping[str, Any]) -> list[tuple[Attribute, int]]:
    """Return (attribute, amount) for each sum of the caller. A sum of a generator (a version) cannot reach the end of 64 bits."""
    sums = []
    for name, value in changes.items():
        if isinstance(value, Add):
            attribute = meta.attributes[name]
            if attribute.generator is None or not attribute.generator.update:
                sums.append((attribute, value.amount))
    return sums


def bounds_of(meta: StoreMeta[Any], changes: Mapping[str, Any]) -> Filter:
    """Return the condition that an item's sums stay within the declaration: `count <= 9` to add 1 to a count of at most 10."""
    sums = sums_of(meta, changes)
    if not sums:
        return ALL
    bounds = [_bound(attribute, amount) for attribute, amount in sums]
    return bounds[0] if len(bounds) == 1 else And(tuple(bounds))


def _bound(attribute: Attribute, amount: int) -> Filter:
    """Return the filter for numbers to which the amount can be added. Null counts as 0."""
    low, high = INTEGER_MIN, INTEGER_MAX
    for meta in metas_of(attribute.type):
        for given, step in ((meta.ge, 0), (meta.gt, 1)):
            if given is not None:
                low = max(low, math.ceil(given) if not step else math.floor(given) + 1)
        for given, step in ((meta.le, 0), (meta.lt, 1)):
            if given is not None:
                high = min(high, math.floor(given) if not step else math.ceil(given) - 1)
    fits = (
        Compare(attribute.name, "le", max(high - amount, INTEGER_MIN))
        if amount >= 0
        else Compare(attribute.name, "ge", min(low - amount, INTEGER_MAX))
    )
    return Or((fits, Compare(attribute.name, "null", True))) if attribute.optional and low <= amount <= high else fits


def no_changes(given: Any, path: str) -> Fault:
    """Return the fault of changes that are not an object. A filter in their place shows that the arguments were swapped."""
    if isinstance(given, Filter):
        return Fault(path, SWAPPED, '{"attribute": value}', "a filter")
    return Fault(path, "Expected an object", "object", "null" if given is None else type(given).__name__)


SWAPPED = (
    "Expected an object of changes. The changes come before the filter: "
    "`update_all(changes, where)`, `update(key, changes, when=where)`"
)
"""Message for a filter in the place of the changes."""
