"""The parts of messages of `schema_changes` and `schema_differences` that show values, constraints and names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from .schema import AttributeSchema, canonical
from .schema_types import Number, Type


def constraints(before: Type, after: Type) -> str:
    """Return the constraints that differ, in parentheses: ` (max_length is 40 now, was 20)`. Empty for those of other types."""
    old, new = (canonical(one, documented=False) for one in (before, after))
    if not (isinstance(old, dict) and isinstance(new, dict) and type(before) is type(after)):
        return ""
    found = [
        f"{name} is {new.get(name)} now, was {old.get(name)}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and not isinstance(old.get(name, new.get(name)), dict | list)
    ]
    return f" ({', '.join(found)})" if found else ""


def never_stored(one: AttributeSchema, stored: Collection[str]) -> str:
    """Return a part of a sentence that says that the former names of a new attribute were never stored. Empty without former names, or if one was."""
    names = [name for name in one.former_names if name not in stored]
    if not names or len(names) < len(one.former_names):
        return ""
    return f", and no attribute {' or '.join(names)}, its former name, is stored"


def listed(values: Any) -> str:
    return ", ".join(map(str, values))


def shown(value: Any, one: AttributeSchema) -> str:
    """Return a value of an attribute as JSON, cut to a line. An exact decimal is a number."""
    text = msgspec.json.encode(value).decode()
    if isinstance(one.type, Number):
        text = text.strip('"')
    return text if len(text) <= 60 else text[:57] + "..."
