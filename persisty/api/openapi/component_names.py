"""The names of the components of an OpenAPI document that describe types: each type has one name, and each name one type.

A type has the name of its class. Where several classes have that name, or an item has it, the name includes the module.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from typing import Any

from ...model.derived_names import TYPES

PROBLEM = "Problem"
"""The component of problem documents."""
SUFFIXES = tuple(TYPES)
INVALID = re.compile(r"[^a-zA-Z0-9.\-_]")
"""The characters that the name of a component must not have."""


def class_name(cls: Any) -> str:
    """Return the name of a class, of a generic with its arguments: `Found[Message]`."""
    if not hasattr(cls, "__origin__"):
        return str(cls.__name__)
    arguments = ", ".join(one.__name__ if isinstance(one, type) else repr(one) for one in cls.__args__)
    return f"{cls.__origin__.__name__}[{arguments}]"


def component_names(classes: Iterable[Any], items: Mapping[str, Any]) -> dict[Any, str]:
    """Return the name of the component of each class. `items`: name of an item's component → its class, which has that component."""
    names = {cls: INVALID.sub("_", class_name(cls)) for cls in dict.fromkeys(classes)}
    several = Counter(names.values())
    found: dict[Any, str] = {}
    conflicting: list[Any] = []
    for cls, name in names.items():
        if items.get(name) is cls or (several[name] == 1 and name not in items and not _is_reserved(name, items)):
            found[cls] = name
        else:
            conflicting.append(cls)
    taken = {*found.values(), *items}
    for cls in conflicting:
        name = names[cls]
        if several[name] > 1 or name in items:
            name = INVALID.sub("_", f"{cls.__module__}.{cls.__qualname__}")
        found[cls] = name = _unused(name, taken, items)
        taken.add(name)
    return found


def _unused(name: str, taken: Collection[str], items: Collection[str]) -> str:
    numbered = (name if number == 1 else f"{name}{number}" for number in count(1))
    return next(one for one in numbered if one not in taken and not _is_reserved(one, items))


def _is_reserved(name: str, items: Collection[str]) -> bool:
    """Return whether the document has a component of this name itself, as each item's page."""
    if name == PROBLEM:
        return True
    return name.endswith(SUFFIXES) and any(name.removesuffix(suffix) in items for suffix in TYPES)
