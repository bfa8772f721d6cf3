"""Check the types of a declaration: reject contradictory bounds, sets of unhashable values, and attributes that are always None."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..errors import Fault
from .schema import Object, Schema
from .schema_types import Dict, Float, Integer, List, Null, Number, Set, Type, arms, parts_of

UNHASHABLE = (List, Dict)
"""Types whose values cannot be members of a set."""


def check_types(schema: Schema, faults: list[Fault]) -> None:
    """Add a fault for each type of an attribute, or of a field of an object, that has no value."""
    for one in schema.attributes:
        if isinstance(one.type, Null):
            faults.append(Fault(f"/{one.name}", "has no value but None", "a type of its values"))
        faults += [Fault(f"/{one.name}", *wrong) for wrong in _faults_of(one.type)]
    for name, definition in schema.types.items():
        for field in definition.fields if isinstance(definition, Object) else ():
            faults += [Fault(f"/types/{name}/{field.name}", *wrong) for wrong in _faults_of(field.type)]


def _faults_of(type_: Type) -> Iterator[tuple[str, str, str]]:
    """Yield (message, what is expected, what is found)."""
    for part in parts_of(type_):
        if isinstance(part, Integer | Float | Number) and _is_empty(part):
            given = {name: getattr(part, name) for name in ("ge", "gt", "le", "lt")}
            yield "has bounds that no value meets", "a lower bound below the upper one", _written(given)
        low, high = getattr(part, "min_length", None), getattr(part, "max_length", None)
        if (low is not None and high is not None and low > high) or (high is not None and high < 0):
            found = _written({"min_length": low, "max_length": high})
            yield "has lengths that no value has", "a min_length of at most max_length", found
        if isinstance(part, Set):
            for arm in arms(part.items):
                if isinstance(arm, UNHASHABLE) or (isinstance(arm, Set) and not arm.frozen):
                    kind = str(arm.__struct_config__.tag)
                    yield (
                        f"is a set of {kind} values, which a set cannot have",
                        "a list, or a set of other values",
                        kind,
                    )


def _is_empty(part: Integer | Float | Number) -> bool:
    whole = isinstance(part, Integer)
    lows = [
        one
        for one in (part.ge, math.floor(part.gt) + 1 if whole and part.gt is not None else part.gt)
        if one is not None
    ]
    highs = [
        one
        for one in (part.le, math.ceil(part.lt) - 1 if whole and part.lt is not None else part.lt)
        if one is not None
    ]
    if not lows or not highs:
        return False
    open_ = not whole and max(lows) == min(highs) and (part.gt == max(lows) or part.lt == min(highs))
    return max(lows) > min(highs) or open_


def _written(given: dict[str, int | float | None]) -> str:
    return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
