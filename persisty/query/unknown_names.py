"""Faults of names that do not exist for the caller: they list the names that the caller may give there, and no hidden one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import Fault
from ..model.allowed_values import one_of
from ..model.meta import Attribute, StoreMeta
from .visibility import View

Nested = Callable[[StoreMeta[Any]], Iterable[str]]
"""Function that returns the paths of nested attributes, such as `place.city`, as the filter spells them."""
MAX_NAME = 64
"""Characters of an unknown name that a fault repeats."""


def declared_names(meta: StoreMeta[Any]) -> Iterable[str]:
    """Return the paths of nested attributes in Python."""
    return meta.nested


PART = "A part of an attribute cannot be named here"
"""Message of a fault of `home.city` where only whole attributes can be named."""


def unknown_attribute(
    known: Mapping[str, Attribute], name: object, path: str, allowed: Callable[[Attribute], bool] = lambda _: True
) -> Fault:
    """Return the fault of a name that is none of the known attributes, as in an order, a selection or an aggregate. `allowed`: whether an
    attribute may be given there."""
    text = "" if name is None else str(name)
    root, dot, _ = text.removeprefix("-").partition(".")
    if dot and root in known:
        return Fault(path, PART, root, text[:MAX_NAME])
    expected = [one for one, attribute in known.items() if allowed(attribute)]
    return Fault(path, "Unknown attribute", one_of(expected), text[:MAX_NAME] or None)


def unknown_name(view: View, name: object, path: str, nested: Nested = declared_names) -> Fault:
    """Return the fault of an unknown attribute or link at this path of a filter."""
    text = str(name)
    return Fault(path, "Unknown attribute", one_of(_names(view, text, nested)), text[:MAX_NAME])


def _names(view: View, name: str, nested: Nested) -> list[str]:
    """Return the names that a filter may have instead: those behind the link, or within the object, that the name begins with."""
    step, _, rest = name.partition(".")
    if rest and (behind := view.link(step)) is not None:
        return [f"{step}.{one}" for one in _names(behind[1], rest, nested)]
    if (
        rest
        and step in view.attributes
        and (fields := [one for one in nested(view.meta) if one.startswith(f"{step}.")])
    ):
        return fields
    return [*view.names]
