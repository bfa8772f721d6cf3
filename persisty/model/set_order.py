"""The order of the members of a set in JSON: the same in every process and on every surface.

Members that have an order in Python are sorted by it. The members of any other set are sorted by their JSON: Python's comparison of sets, which asks
for subsets, is no order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import force_setattr


class _Declared:
    """Records that a type of this process is a set of sets. Responses are searched for such sets only then: that takes longer than to encode them."""

    def __init__(self) -> None:
        self.declared = False

    def declare(self) -> None:
        self.declared = True


sets_within_sets = _Declared()
LEAVES = frozenset({str, int, float, bool, type(None), bytes})


def ordered_json(value: Any) -> bytes:
    """Return the value as JSON. Equal values have equal bytes."""
    try:
        found = _ENCODER.encode(value)
    except TypeError:  # members of a set cannot be compared, or names in an object are not text
        return _written(with_ordered_sets(value))
    return _written(with_ordered_sets(value)) if may_be_unordered(found, value) else found


def ordered_builtins(value: Any) -> Any:
    """Return the value as msgspec converts it to builtins, with the members of sets in order."""
    if sets_within_sets.declared and has_sets_within_sets(value):
        return msgspec.to_builtins(with_ordered_sets(value))
    try:
        return msgspec.to_builtins(value, order="deterministic")
    except TypeError:
        return msgspec.to_builtins(with_ordered_sets(value))


_ENCODER = msgspec.json.Encoder(order="deterministic")


def with_ordered_sets(value: Any) -> Any:
    """Return the value with a sorted list for each set in it."""
    return with_sets(value, _members)


def ordered(members: Iterable[Any]) -> Iterable[Any]:
    """Return the members of a list unchanged, and those of a set in order."""
    return _members(members) if isinstance(members, set | frozenset) else members


def may_be_unordered(encoded: bytes, value: Any) -> bool:
    """Return whether msgspec may have written the members of a set in an order that depends on the process. `encoded`: the JSON of the value."""
    return sets_within_sets.declared and b"[[" in encoded and has_sets_within_sets(value)


def has_sets_within_sets(value: Any) -> bool:
    """Return whether the value contains a set with a member that is a set, or a tuple of sets."""
    kind = type(value)
    if kind in LEAVES:
        return False
    if isinstance(value, set | frozenset):
        return any(map(_contains_set, value))
    if isinstance(value, dict):
        return any(map(has_sets_within_sets, value.values()))
    if isinstance(value, list | tuple):
        return not LEAVES.issuperset(map(type, value)) and any(map(has_sets_within_sets, value))
    fields: Iterable[str] = getattr(kind, "__dataclass_fields__", ())
    names: Iterable[str] = getattr(kind, "__struct_fields__", fields)
    return any(has_sets_within_sets(getattr(value, name, None)) for name in names)


def _contains_set(member: Any) -> bool:
    return isinstance(member, frozenset) or (isinstance(member, tuple) and any(map(_contains_set, member)))


def _members(members: set[Any] | frozenset[Any]) -> list[Any]:
    if not any(map(_contains_set, members)):
        try:
            return sorted(members)
        except TypeError:
            pass
    ordered = [with_ordered_sets(one) for one in members]
    return [one for _, one in sorted([(_written(one), one) for one in ordered], key=_text)]


def _text(pair: tuple[bytes, Any]) -> bytes:
    return pair[0]


def _written(value: Any) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


def with_sets(value: Any, convert: Callable[[set[Any] | frozenset[Any]], Any]) -> Any:
    """Return the value with `convert` applied to each set in it. Objects that contain a converted set are copied; the value itself is not changed."""
    kind = type(value)
    if kind in LEAVES:
        return value
    if isinstance(value, set | frozenset):
        return convert(value)
    if isinstance(value, dict):
        return {name: with_sets(one, convert) for name, one in value.items()}
    if isinstance(value, list | tuple):
        members = [with_sets(one, convert) for one in value]
        return members if isinstance(value, list) else tuple(members)
    if isinstance(value, msgspec.Struct):
        return _replaced(value, kind.__struct_fields__, convert, force_setattr)
    # a dataclass; importing `dataclasses` would slow down a cold start
    return _replaced(value, getattr(kind, "__dataclass_fields__", ()), convert, object.__setattr__)


def _replaced(
    value: Any, names: Iterable[str], convert: Callable[[Any], Any], put: Callable[[Any, str, Any], None]
) -> Any:
    changed: Any = None
    for name in names:
        before = getattr(value, name, None)
        after = with_sets(before, convert)
        if after is not before and (after or before):
            if changed is None:
                changed = copy.copy(value)
            put(changed, name, after)
    return value if changed is None else changed
