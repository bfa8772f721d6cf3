"""The texts of decimals that the API accepts: exactly those of `DECIMAL`, the pattern in OpenAPI.

Python's `Decimal`, and with it msgspec, reads more: ` 1`, `1_0`, `1.`, digits of other scripts, NaN. Every conversion of given values passes here: items, changes,
filters, arguments of actions, imports. Stored values and Python's own `Decimal`s do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from . import schema_types as forms
from .meta import Attribute, StoreMeta, per_meta
from .per_class import PerClass
from .schema import Object
from .schema_types import Type
from .type_descriptions import Described, described
from .types import Kind

_FEW_DIGITS = r"(?=[0.]*([0-9]\.?){0,38}([eE]|$))"
_NEAR_EXPONENT = r"[eE][+-]?([0-7]?[0-9]|80)"
_FAR_EXPONENT = r"[eE](-(8[1-9]|9[0-9]|1[0-2][0-9]|130)|\+?(8[1-9]|9[0-9]|1[01][0-9]|12[0-5]))"
DECIMAL = (
    rf"^-?({_FEW_DIGITS}[0-9]{{1,38}}(\.[0-9]{{1,44}})?({_NEAR_EXPONENT})?|[1-9](\.[0-9]{{1,37}})?{_FAR_EXPONENT})$"
)
"""At most 38 digits after leading zeros. With an exponent near the limits one digit before the point, as responses have it."""
_IS_DECIMAL = re.compile(DECIMAL.replace("$", r"\Z"), re.ASCII).match

Check = Callable[[Any, str], None]
"""(given value, its place in msgspec's notation). Raises msgspec's error for a text that is no decimal."""


def check_text(value: Any, place: str = "") -> None:
    """Raise msgspec's error if a value is a text, but no decimal of the API."""
    if isinstance(value, str) and _IS_DECIMAL(value) is None:
        raise msgspec.ValidationError("Invalid decimal string" + (f" - at `${place}`" if place else ""))


def check_decimals(annotation: Any, value: Any) -> None:
    """Raise msgspec's error if a given value contains a text in the place of a decimal, but no decimal of the API."""
    try:
        check = _check_of(annotation)
    except TypeError:  # an annotation that cannot be hashed
        check = _Checks(described(annotation)).check
    if check is not None:
        check(value, "")


def check_attribute(attribute: Attribute, value: Any) -> None:
    """Do the same for the value of an attribute."""
    if attribute.kind is Kind.DECIMAL:
        check_text(value)
    elif attribute.kind is Kind.JSON:
        check_decimals(attribute.type, value)


@per_meta
def decimal_checks(meta: StoreMeta[Any]) -> tuple[tuple[str, Callable[[Any], None]], ...]:
    """Return the attributes that contain decimals, each with the function that checks its value."""
    found: list[tuple[str, Callable[[Any], None]]] = []
    for name, attribute in meta.attributes.items():
        check: Check | None = check_text if attribute.kind is Kind.DECIMAL else None
        if attribute.kind is Kind.JSON:
            check = _Checks(described(attribute.type, meta)).check
        if check is not None:
            found.append((name, _at(check, f".{name}")))
    return tuple(found)


def _at(check: Check, place: str) -> Callable[[Any], None]:
    return lambda value: check(value, place)


@lru_cache(maxsize=256)
def _check_of(annotation: Any) -> Check | None:
    return _Checks(described(annotation)).check


class _Checks:
    """The checks of the types of one description, None where a type contains no decimal."""

    def __init__(self, found: Described) -> None:
        self._found = found
        self._classes = PerClass(self._object, _later)
        has_decimals = any(isinstance(part, forms.Number) for part in found.parts())
        self.check = self._of(found.type) if has_decimals else None

    def _of(self, type_: Type) -> Check | None:
        checks = [check for check in map(self._one, forms.arms(type_)) if check is not None]
        if len(checks) < 2:
            return checks[0] if checks else None

        def check_each(value: Any, place: str) -> None:
            for check in checks:
                check(value, place)

        return check_each

    def _one(self, type_: Type) -> Check | None:
        match type_:
            case forms.Number():
                return check_text
            case forms.Named(name=name):
                return self._classes.of(name)
            case forms.Dict(keys=keys, values=inner):
                of_key, of_value = self._of(keys), self._of(inner)
                return None if of_key is None and of_value is None else _of_dict(of_key or _pass, of_value or _pass)
            case forms.List(items=inner) | forms.Set(items=inner) | forms.Tuple(every=Type() as inner):
                check = self._of(inner)
                return None if check is None else _of_each(check)
            case forms.Tuple(items=items) if items:
                checks = [self._of(one) or _pass for one in items]
                return _of_positions(checks)
        return None

    def _object(self, name: str) -> Check | None:
        definition = self._found.definitions[name]
        if not isinstance(definition, Object):
            return None
        checks = {one.key: check for one in definition.fields if (check := self._of(one.type)) is not None}
        if not checks:
            return None
        if definition.array_like:
            listed = [
                *([_pass] if definition.tag is not None else []),
                *(checks.get(one.key, _pass) for one in definition.fields),
            ]
            return _of_positions(listed)

        def check_object(value: Any, place: str) -> None:
            if isinstance(value, dict) and (
                definition.tag_field is None or value.get(definition.tag_field) == definition.tag
            ):
                for key, check in checks.items():
                    if key in value:
                        check(value[key], f"{place}.{key}")

        return check_object


def _later(found: Callable[[], Check | None]) -> Check:
    def check_later(value: Any, place: str) -> None:
        check = found()
        if check is not None:
            check(value, place)

    return check_later


def _pass(value: Any, place: str) -> None:
    """Accept any value."""


def _of_dict(of_key: Check, of_value: Check) -> Check:
    def check_dict(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, one in value.items():
                of_key(key, f"{place}[...]")
                of_value(one, f"{place}[...]")

    return check_dict


def _of_each(check: Check) -> Check:
    def check_each(value: Any, place: str) -> None:
        if isinstance(value, list | tuple | set | frozenset):
            for at, one in enumerate(value):
                check(one, f"{place}[{at}]")

    return check_each


def _of_positions(checks: Sequence[Check]) -> Check:
    def check_positions(value: Any, place: str) -> None:
        if isinstance(value, list | tuple):
            for at, (check, one) in enumerate(zip(checks, value, strict=False)):
                check(one, f"{place}[{at}]")

    return check_positions
