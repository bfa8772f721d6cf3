"""Names of the objects that a schema only refers to: functions, generators, and types that it cannot describe."""

from __future__ import annotations

import enum
from typing import Any


def qualified_name(thing: Any) -> str:
    """Return `module.name` of a class or a function."""
    cls = type(thing)
    module = getattr(thing, "__module__", None) or cls.__module__
    return f"{module}.{getattr(thing, '__qualname__', cls.__qualname__)}"


class Names:
    """Registry of the objects that a schema refers to by name."""

    def __init__(self) -> None:
        self.things: dict[str, Any] = {}

    def name(self, thing: Any, preferred: str | None = None) -> str:
        """Return the name of an object. A second object with the same name gets a number."""
        first = name = preferred or qualified_name(thing)
        number = 1
        while self.things.setdefault(name, thing) is not thing:
            number += 1
            name = f"{first}#{number}"
        return name


def runs_code(cls: Any) -> bool:
    """Return whether a conversion to the class runs code of its own: the `__post_init__` of an object, the `_missing_` of an enum."""
    if issubclass(cls, enum.Enum):
        return getattr(cls._missing_, "__func__", cls._missing_) is not _NO_MISSING
    return hasattr(cls, "__post_init__")


_NO_MISSING = enum.Enum._missing_.__func__  # type: ignore[attr-defined]
