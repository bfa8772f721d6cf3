"""`update_all` that adds to unique numbers: SQL engines check uniqueness row by row, so `1, 2 → 2, 3` may meet its own 2.

A statement that was refused for this reason is repeated in one transaction, in two steps:

```
1  each match gets its sum plus a temporary offset beyond all other numbers, and all other changes
2  the offset is removed from the same rows; a value that is taken now is taken in the result
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import randrange
from typing import Any

from ...model.expressions import And, Compare, Filter, Or
from ...model.generators import Add
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...model.types import INTEGER_MAX, INTEGER_MIN
from ...query.filter_algebra import among, combine
from .dialect import UniqueTaken

CHUNK = 100
"""Most rows of one statement."""
MIN_OFFSET = 2**61
"""The smallest temporary offset."""


def temporary_offsets(
    meta: StoreMeta[Any], changes: Mapping[str, Any], names: Sequence[str], items: Sequence[Any]
) -> dict[str, int]:
    """Return attribute → the temporary offset of its numbers. Raises `UniqueTaken` if it would exceed the range of integers."""
    found: dict[str, int] = {}
    for name in names:
        get, amount = meta.attributes[name].get, changes[name].amount
        numbers = [amount, *((get(item) or 0) + amount for item in items)]
        offset = randrange(MIN_OFFSET, 2 * MIN_OFFSET)
        if max(numbers) + offset > INTEGER_MAX:
            offset = -offset
        if min(numbers) + offset < INTEGER_MIN:
            raise UniqueTaken((name,))
        found[name] = offset
    return found


def add_offsets(changes: Mapping[str, Any], offsets: Mapping[str, int]) -> dict[str, Any]:
    """Return the changes with the temporary offsets added to the sums."""
    return {**changes, **{name: Add(changes[name].amount + offset) for name, offset in offsets.items()}}


def remove_offsets(offsets: Mapping[str, int]) -> dict[str, Any]:
    """Return the changes that remove the temporary offsets."""
    return {name: Add(-offset) for name, offset in offsets.items()}


def among_keys(meta: StoreMeta[Any], items: Sequence[Any]) -> list[Filter]:
    """Return filters that match the items by their keys, each of them for one statement."""
    names = meta.key.attributes
    keys = list(map(meta.key_values, items))
    chunks = [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
    if len(names) == 1:
        return [among(names[0], [key[0] for key in chunk]) for chunk in chunks]
    return [combine(Or, [_is(names, key) for key in chunk]) for chunk in chunks]


def _is(names: Sequence[str], key: KeyValues) -> Filter:
    return combine(And, [Compare(name, "eq", value) for name, value in zip(names, key, strict=True)])
