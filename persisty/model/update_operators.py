"""Changes that depend on what is stored: adding to a number, appending to a list.

The engine applies them, so persisty cannot look at the result. What the declaration demands of a sum travels with the write
as a condition on the number before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from .expressions import ALL, And, Compare, Filter, Or
from .generators import Add, Append
from .meta import Attribute, StoreMeta
from .types import INTEGER_MAX, INTEGER_MIN, Kind, bare, is_list, is_literal, metas_of


def _is_integer(attribute: Attribute) -> bool:
    return attribute.kind is Kind.INTEGER and not is_literal(attribute.type)


def _is_list(attribute: Attribute) -> bool:
    return is_list(attribute.type)


SPELLED: dict[str, tuple[Callable[[Attribute], bool], Callable[[Any], Add | Append]]] = {
    "add": (_is_integer, Add),
    "append": (_is_list, Append),
}
"""How JSON spells a change, as the one member of an object → of what attributes, and what it is. An object is no value of
these, so that nothing else can be meant."""


def spelled_change(attribute: Attribute, value: Any) -> tuple[Any, str | None]:
    """The change that `{"add": 1}` or `{"append": ["x"]}` spells, unchecked, and its word; any other value as it is."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(word, operand)] = value.items()
        applies, change = SPELLED.get(word, (None, None))
        if applies and change and applies(attribute):
            return change(operand), word
    return value, None


def change_word(attribute: Attribute) -> str | None:
    """`add` or `append`, where the attribute takes such a change."""
    if _is_list(attribute) and any(meta.max_length is not None for meta in metas_of(attribute.type)):
        return None
    return next((word for word, (applies, _) in SPELLED.items() if applies(attribute)), None)


def typed_change(attribute: Attribute, value: Add | Append) -> Add | Append:
    """The change with values as the attribute keeps them; `ValueError` or msgspec's `ValidationError` if it takes none."""
    if isinstance(value, Add):
        return _added(attribute, value)
    return _appended(attribute, value)


def _added(attribute: Attribute, change: Add) -> Add:
    if not _is_integer(attribute):
        raise ValueError(f"Expected any whole number to add to, got {attribute.kind}")
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
    values = msgspec.convert(change.values, list[get_args(listed) or Any])  # type: ignore[misc]
    return Append(tuple(attribute.normalise(values) if attribute.normalise else values))


def sums_of(meta: StoreMeta[Any], changes: Mapping[str, Any]) -> list[tuple[Attribute, int]]:
    """(attribute, amount) of what a caller adds. What a generator adds (a version) cannot reach the end of 64 bits."""
    sums = []
    for name, value in changes.items():
        if isinstance(value, Add):
            attribute = meta.attributes[name]
            if attribute.generator is None or not attribute.generator.update:
                sums.append((attribute, value.amount))
    return sums


def bounds_of(meta: StoreMeta[Any], changes: Mapping[str, Any]) -> Filter:
    """What must hold of an item so that its sums keep to the declaration: `count <= 9` for adding 1 to one of at most 10."""
    sums = sums_of(meta, changes)
    if not sums:
        return ALL
    bounds = [_bound(attribute, amount) for attribute, amount in sums]
    return bounds[0] if len(bounds) == 1 else And(tuple(bounds))


def _bound(attribute: Attribute, amount: int) -> Filter:
    """The numbers to which the amount can be added; null is 0."""
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
