"""`update_all` that adds to unique numbers: SQL engines check uniqueness row by row, so `1, 2 → 2, 3` may meet its own 2.

A statement that was refused for this reason is repeated in one transaction, in two steps:

```
1  each match gets its sum plus a distance beyond all other numbers, and all other changes
2  the same rows are moved back to their sums; a value that is taken now is taken in the result
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
FAR = 2**61
"""The least distance of the first step."""


def distances(
    meta: StoreMeta[Any], changes: Mapping[str, Any], names: Sequence[str], items: Sequence[Any]
) -> dict[str, int]:
    """Return attribute → the distance of the first step. Raises `UniqueTaken` if the numbers leave no room for it."""
    found: dict[str, int] = {}
    for name in names:
        get, amount = meta.attributes[name].get, changes[name].amount
        numbers = [amount, *((get(item) or 0) + amount for item in items)]
        distance = randrange(FAR, 2 * FAR)
        if max(numbers) + distance > INTEGER_MAX:
            distance = -distance
        if min(numbers) + distance < INTEGER_MIN:
            raise UniqueTaken((name,))
        found[name] = distance
    return found


def away(changes: Mapping[str, Any], far: Mapping[str, int]) -> dict[str, Any]:
    """Return the changes of the first step."""
    return {**changes, **{name: Add(changes[name].amount + distance) for name, distance in far.items()}}


def back(far: Mapping[str, int]) -> dict[str, Any]:
    """Return the changes of the second step."""
    return {name: Add(-distance) for name, distance in far.items()}


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
