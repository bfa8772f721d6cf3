"""Bounds of a `Decimal` attribute: `Annotated[Decimal, Meta(ge=0)]`.

msgspec takes `ge`, `gt`, `le`, `lt` and `multiple_of` for int and float only. They are taken off the annotation that msgspec compiles,
and checked after its conversion, in decimal arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from operator import ge, gt, le, lt
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from ..errors import Fault
from .types import bare, metas_of

PRECISE = Context(prec=600)
"""Context with enough digits for the quotient of any two stored decimals."""


def _is_multiple(value: Decimal, step: Decimal) -> bool:
    return PRECISE.remainder(value, step) == 0


CHECKS: dict[str, tuple[Callable[[Decimal, Decimal], bool], str]] = {
    "ge": (ge, "decimal >= {}"),
    "gt": (gt, "decimal > {}"),
    "le": (le, "decimal <= {}"),
    "lt": (lt, "decimal < {}"),
    "multiple_of": (_is_multiple, "decimal that's a multiple of {}"),
}
"""Member of `msgspec.Meta` → (function that checks a value, expected value in a fault, in the words of msgspec)."""


def split_bounds(annotation: Any) -> tuple[Any, Mapping[str, Decimal]]:
    """Return the annotation of a `Decimal` without its bounds, and the bounds. A float counts as the number of its shortest text."""
    bounds: dict[str, Decimal] = {}
    rest: list[msgspec.Meta] = []
    for meta in metas_of(annotation):
        given = {name: value for name in _MEMBERS if (value := getattr(meta, name)) is not None}
        bounds |= {name: Decimal(str(value)) for name, value in given.items() if name in CHECKS}
        other_checks = {name: value for name, value in given.items() if name not in CHECKS}
        rest += [msgspec.Meta(**other_checks)] if other_checks else []
    if not bounds:
        return annotation, bounds
    if not any(meta.examples for meta in rest) and (example := _example(bounds)) is not None:
        rest.append(msgspec.Meta(examples=[str(example)]))
    return (Annotated[bare(annotation), *rest] if rest else bare(annotation)), bounds


def bounds_inside(path: str, annotation: Any) -> Fault | None:
    """Return the fault of a type that has bounds on a `Decimal` in a list, a dict or an object, which msgspec rejects."""
    if bare(annotation) is Decimal or not _has_bounds(annotation):
        return None
    message = "has bounds on a Decimal inside a list or an object, where they are not checked"
    return Fault(path, message, "bounds on an attribute; in an object, a check in its __post_init__", str(annotation))


def _has_bounds(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Return whether a `Decimal` within the annotation has bounds. `seen`: the classes around it, because a class may contain itself."""
    inner = bare(annotation)
    if inner is Decimal:
        return any(getattr(meta, name) is not None for meta in metas_of(annotation) for name in CHECKS)
    if get_args(inner):
        return any(_has_bounds(one, seen) for one in get_args(inner))
    if inner in seen or not hasattr(inner, "__annotations__"):
        return False
    try:
        members = get_type_hints(inner, include_extras=True)
    except (NameError, TypeError):
        return False
    return any(_has_bounds(one, (*seen, inner)) for one in members.values())


_MEMBERS = (
    *CHECKS,
    *("min_length", "max_length", "pattern", "tz", "title", "description", "examples", "extra_json_schema", "extra"),
)


def bounded(normalise: Callable[[Any], Any] | None, bounds: Mapping[str, Decimal]) -> Callable[[Any], Any]:
    """Return `normalise` followed by the check of the bounds, which raises `ValueError` for a value out of bounds."""

    def checked(value: Any) -> Any:
        normal = value if normalise is None else normalise(value)
        for name, bound in bounds.items():
            fits, expected = CHECKS[name]
            if not fits(normal, bound):
                raise ValueError(f"Expected {expected.format(bound)}")
        return normal

    return checked


def _example(bounds: Mapping[str, Decimal]) -> Decimal | None:
    """Return a value within the bounds for documentation, or None if none of a few candidates fits."""
    ends = list(bounds.values())
    near_bounds = [end + step for end in ends for step in map(Decimal, ("0", "1", "-1", "0.5", "-0.5"))]
    candidates = [Decimal("9.5"), *near_bounds, sum(ends, Decimal(0)) / len(ends)]
    return next((one for one in candidates if all(CHECKS[name][0](one, end) for name, end in bounds.items())), None)
