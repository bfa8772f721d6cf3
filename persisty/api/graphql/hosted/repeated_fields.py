"""The cost of validating repeated fields: graphql-core compares each pair of selections with the same response name in one place.

The cost is estimated before validation, because the number of pairs grows with the square of a document's length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

SPREAD = "..."
"""The name for the spreads of fragments in one place. graphql-core compares each pair of them too."""
LENGTH = 10
"""The number of characters of arguments whose comparison costs as much as that of two fields."""


class _Place:
    """The selections of one response path. `count`: their number. `length`: the characters of all their arguments."""

    __slots__ = ("below", "count", "length")

    def __init__(self) -> None:
        self.count, self.length = 0, 0
        self.below: dict[str, _Place] = {}

    def add(self, name: str, length: int) -> tuple[_Place, int]:
        """Return the place below this one, and the cost of comparing one more selection there with those before it."""
        place = self.below.get(name)
        if place is None:
            place = self.below[name] = _Place()
        cost = place.count + (place.length + place.count * length) // LENGTH
        place.count, place.length = place.count + 1, place.length + length
        return place, cost


def compares_more(roots: Iterable[SelectionSetNode], fragments: Mapping[str, SelectionSetNode], most: int) -> bool:
    """Return whether the comparisons within these selections cost more than `most`. Fragments are counted wherever they are spread."""
    cost, steps = 0, 0
    for root in roots:
        left: list[tuple[SelectionSetNode | None, _Place, frozenset[str]]] = [(root, _Place(), frozenset())]
        while left:
            selections, place, within = left.pop()
            for one in selections.selections if selections else ():
                steps += 1
                if isinstance(one, FieldNode):
                    below, more = place.add((one.alias or one.name).value, _length(one))
                    left.append((one.selection_set, below, within))
                elif isinstance(one, FragmentSpreadNode):
                    name = one.name.value
                    _, more = place.add(SPREAD, 0)
                    if name not in within:  # validation rejects a fragment that spreads itself
                        left.append((fragments.get(name), place, within | {name}))
                elif isinstance(one, InlineFragmentNode):
                    more = 0
                    left.append((one.selection_set, place, within))
                else:
                    continue
                cost += more
                if cost > most or steps > 2 * most:
                    return True
    return False


def _length(field: FieldNode) -> int:
    if not field.arguments:
        return 0
    first, last = field.arguments[0].loc, field.arguments[-1].loc
    return last.end - first.start if first and last else 0
