"""Aggregates: check them against an item, evaluate them locally if an engine cannot, and compute them from an engine's measures.

Engines compute `count`, `min`, `max` and `sum`. An average is a sum divided by a count, so that it is the same on every engine.
Sums of integers and decimals are exact, and the average of decimals has 38 digits. Sums of floats depend on the order in which
an engine adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Context, Decimal
from functools import partial
from typing import Any

from msgspec import Struct

from ..errors import Fault, InvalidQuery, TooManyGroups
from ..model.expressions import COUNT, Aggregate
from ..model.meta import Attribute, StoreMeta
from ..model.msgspec_faults import pointer
from ..model.types import AGGREGATES, DECIMAL_DIGITS, SORTABLE, Kind, attributes_of
from .unknown_names import unknown_attribute

MAX_GROUPS = 10_000
"""Most groups of one aggregate."""
EXACT = Context(prec=1_000)
"""Context for sums of decimals. Any number of values with 38 digits between 1E-130 and 1E+125 fits."""
ROUNDED = Context(prec=DECIMAL_DIGITS)


class Group(Struct, frozen=True):
    """One group: the values of its `by` attributes, and the `values` of its aggregates."""

    by: tuple[Any, ...]
    values: tuple[Any, ...]


def resolve_aggregates(known: Mapping[str, Attribute], given: Sequence[Aggregate], path: str = "/aggregates") -> None:
    """Check aggregates over the known attributes. Raise `InvalidQuery` with every fault."""
    faults: list[Fault] = []
    for position, one in enumerate(given):
        where = path + pointer(position)
        if not isinstance(one, Aggregate):
            faults.append(Fault(where, "Not an aggregate", "such as COUNT or Item.n.max()", type(one).__name__))
        elif one.function == "count" and one.attribute is None:
            continue
        elif one.function not in AGGREGATES:
            faults.append(Fault(where, "Unknown aggregate", "one of count, " + ", ".join(AGGREGATES), one.function))
        elif one.attribute is None or one.attribute not in known:
            kinds = AGGREGATES[one.function]
            faults.append(unknown_attribute(known, one.attribute, where, lambda each: each.kind in kinds))  # noqa: B023
        elif (kind := known[one.attribute].kind) not in AGGREGATES[one.function]:
            faults.append(Fault(where, f"No {one.function} of {attributes_of(kind)}", found=one.attribute))
    if faults or not given:
        raise InvalidQuery(faults=faults or [Fault(path, "No aggregates", "at least one")])


def groupable(attribute: Attribute) -> bool:
    """Return whether items can be grouped by an attribute."""
    return attribute.kind in SORTABLE


def check_groups(meta: StoreMeta[Any], by: Sequence[str]) -> None:
    """Raise `InvalidQuery` for attributes that items cannot be grouped by."""
    faults = [
        Fault(f"/by{pointer(position)}", f"Cannot group by {meta.attributes[name].kind} attributes", found=name)
        for position, name in enumerate(by)
        if not groupable(meta.attributes[name])
    ]
    if faults:
        raise InvalidQuery(faults=faults)


COMPOSED: dict[str, tuple[str, ...]] = {"avg": ("sum", "count")}
"""Aggregate that no engine computes → the measures from which `finished` computes it. Every other aggregate is a measure, with a row in `STEPS`."""


def measures_of(aggregates: Iterable[Aggregate]) -> tuple[Aggregate, ...]:
    """Return the measures that an engine must compute, each once: an average needs the sum and the count of its values."""
    return tuple(
        dict.fromkeys(
            Aggregate(function, one.attribute)
            for one in aggregates
            for function in COMPOSED.get(one.function, (one.function,))
        )
    )


def finished(aggregates: Sequence[Aggregate], measures: Sequence[Aggregate], group: Group) -> Group:
    """Return the group with the requested aggregates, made from the measures."""
    measured = dict(zip(measures, group.values, strict=True))

    def value(one: Aggregate) -> Any:
        if one.function != "avg":
            return _spelled(measured[one]) if one.function == "sum" else measured[one]
        total, count = measured[Aggregate("sum", one.attribute)], measured[Aggregate("count", one.attribute)]
        return _mean(total, count) if count else None

    return Group(group.by, tuple(map(value, aggregates)))


def _mean(total: Any, count: int) -> Any:
    if isinstance(total, Decimal):
        return _spelled(ROUNDED.divide(total, Decimal(count)))
    return total / count  # Python rounds the quotient of two integers correctly, however large they are


def _spelled(value: Any) -> Any:
    """Return a decimal normalized like stored ones. It may have more digits and larger exponents than stored ones."""
    if not isinstance(value, Decimal):
        return value
    plain = value.normalize(EXACT)
    whole = int(plain.as_tuple().exponent) > 0 and plain.adjusted() < DECIMAL_DIGITS
    return plain.quantize(Decimal(1), context=EXACT) if whole else plain


def sort_groups(meta: StoreMeta[Any], by: Sequence[str], groups: Iterable[Group]) -> list[Group]:
    """Return the groups in the order of their `by` values, nulls last."""
    primitives = [meta.attributes[name].primitive for name in by]

    def key(group: Group) -> tuple[Any, ...]:
        return tuple(
            (value is None, None if value is None else primitive(value))
            for primitive, value in zip(primitives, group.by, strict=True)
        )

    return sorted(groups, key=key)


def add_up(left: Any, right: Any) -> Any:
    """Return the sum of two numbers, exact except for floats."""
    return EXACT.add(left, right) if isinstance(left, Decimal) else left + right


ZEROS: dict[Kind, Any] = {Kind.INTEGER: 0, Kind.FLOAT: 0.0, Kind.DECIMAL: Decimal(0)}


class Accumulator:
    """Evaluate measures locally, one item at a time. `MAX_GROUPS` bounds the memory."""

    def __init__(self, meta: StoreMeta[Any], measures: Sequence[Aggregate], by: Sequence[str]) -> None:
        self._by = [meta.attributes[name].get for name in by]
        self._steps = [_step(meta, one) for one in measures]
        self._groups: dict[tuple[Any, ...], list[Any]] = {}
        if not by:
            self._groups[()] = [start for start, _, _ in self._steps]

    def add(self, item: Any) -> None:
        key = tuple([get(item) for get in self._by])
        state = self._groups.get(key)
        if state is None:
            if len(self._groups) == MAX_GROUPS:
                raise TooManyGroups(limit=MAX_GROUPS)
            state = self._groups[key] = [start for start, _, _ in self._steps]
        for position, (_, get, step) in enumerate(self._steps):
            value = get(item)
            if value is not None:
                state[position] = step(state[position], value)

    def groups(self) -> list[Group]:
        """Return the groups, in no particular order."""
        return [Group(key, tuple(state)) for key, state in self._groups.items()]


def _step(meta: StoreMeta[Any], one: Aggregate) -> tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """Return (the value without items, function of an item to its value, function that adds a value)."""
    if one == COUNT:
        return 0, lambda item: item, _one_more
    attribute = meta.attributes[one.attribute or ""]
    start, step = STEPS[one.function](attribute)
    return start, attribute.get, step


def _one_more(count: int, _: Any) -> int:
    return count + 1


def _extreme(attribute: Attribute, *, least: bool) -> tuple[Any, Callable[[Any, Any], Any]]:
    primitive = attribute.primitive

    def extreme(so_far: Any, value: Any) -> Any:
        if so_far is None or ((primitive(value) < primitive(so_far)) is least and value != so_far):
            return value
        return so_far

    return None, extreme


STEPS: dict[str, Callable[[Attribute], tuple[Any, Callable[[Any, Any], Any]]]] = {
    "count": lambda attribute: (0, _one_more),
    "sum": lambda attribute: (ZEROS[attribute.kind], add_up),
    "min": partial(_extreme, least=True),
    "max": partial(_extreme, least=False),
}
"""Measure → function of an attribute that returns (the value without items, function that adds a value)."""
