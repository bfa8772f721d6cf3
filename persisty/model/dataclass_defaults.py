"""Set the defaults that msgspec leaves out of a decoded dataclass.

A dataclass stores a constant default in the class. msgspec sets no such default in the object that it decodes, and its encoder writes the members of
the object only. The JSON of a decoded object would lack the fields that its JSON did not have. Structs and classes with slots are complete.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, get_origin

import msgspec

from . import schema_types as forms
from .per_class import PerClass
from .schema import Object
from .schema_types import Type
from .set_order import LEAVES
from .type_descriptions import Described, described


def completing(annotation: Any, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that decodes a value of the type with every default set: `decode` itself if the type contains no such dataclass."""
    found = described(annotation)
    complete = _Steps(found).of(found.type) if has_dataclasses(found) else None
    if complete is None:
        return decode

    def decode_completely(given: Any) -> Any:
        value = decode(given)
        if value is not None:
            complete(value)
        return value

    return decode_completely


Step = Callable[[Any], Any]
"""Sets the defaults in a value that is not None, in place."""


class _Steps:
    """The steps that complete the values of one description: they look only where its types have such dataclasses."""

    def __init__(self, found: Described) -> None:
        self._found = found
        self._classes = PerClass(self._named, _later)

    def of(self, type_: Type) -> Step | None:
        """Return the step for values of a type, None if they are complete."""
        alternatives = forms.arms(type_)
        steps = [step for step in map(self._one, alternatives) if step is not None]
        if not steps:
            return None
        return steps[0] if len(alternatives) == 1 else completed

    def _one(self, type_: Type) -> Step | None:
        match type_:
            case forms.Named(name=name):
                return self._classes.of(name)
            case forms.Dict(values=inner):
                return self._members(inner, dict.values)
            case forms.List(items=inner) | forms.Set(items=inner) | forms.Tuple(every=Type() as inner):
                return self._members(inner, iter)
            case forms.Tuple(items=items) if items and any(map(self.of, items)):
                return completed
        return None

    def _members(self, inner: Type, members: Callable[[Any], Iterable[Any]]) -> Step | None:
        """Return the step for values whose `members` are of a type."""
        step = self.of(inner)
        if step is None:
            return None

        def complete(value: Any) -> None:
            for one in members(value):
                if one is not None:
                    step(one)

        return complete

    def _named(self, name: str) -> Step | None:
        """Return the step for objects of a class."""
        definition, cls = self._found.definitions[name], self._found.classes[name]
        if not isinstance(definition, Object):
            return None
        defaults, within = _defaults(get_origin(cls) or cls), []
        for field in definition.fields:
            step = self.of(field.type)
            if step is not None:
                within.append((field.name, step))
        if within and not (hasattr(get_origin(cls) or cls, "__dataclass_fields__") or _is_struct(cls)):
            return completed

        def complete(one: Any) -> None:
            if defaults:
                members = one.__dict__
                for member, default in defaults:
                    if member not in members:
                        members[member] = default
            for member, step in within:
                value = getattr(one, member, None)
                if value is not None:
                    step(value)

        return complete if defaults or within else None


def _later(found: Callable[[], Step | None]) -> Step:
    def complete(value: Any) -> None:
        (found() or completed)(value)

    return complete


def _is_struct(cls: Any) -> bool:
    origin = get_origin(cls) or cls
    return isinstance(origin, type) and issubclass(origin, msgspec.Struct)


def has_dataclasses(found: Described) -> bool:
    """Return whether a value of the type may contain a dataclass whose decoded objects lack defaults."""
    return any(_in_class(get_origin(one) or one) for one in found.classes.values())


def _in_class(cls: Any) -> bool:
    return hasattr(cls, "__dataclass_fields__") and hasattr(cls, "__dictoffset__") and cls.__dictoffset__ != 0


def completed(value: Any) -> Any:
    """Return the value, in which each dataclass has its constant defaults as members."""
    pending = [value]
    while pending:
        one = pending.pop()
        kind: Any = type(one)
        if kind in LEAVES:
            continue
        if isinstance(one, Mapping):
            pending += one.values()
        elif isinstance(one, list | tuple | set | frozenset):
            pending += one
        elif isinstance(one, msgspec.Struct):
            pending += [getattr(one, name) for name in kind.__struct_fields__]
        elif hasattr(kind, "__dataclass_fields__"):
            if defaults := _defaults(kind):
                members = one.__dict__
                for name, default in defaults:
                    members.setdefault(name, default)
            pending += [getattr(one, name, None) for name in kind.__dataclass_fields__]
    return value


@cache
def _defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields whose default is in the class, each with it. Empty for a class with slots."""
    if not _in_class(cls):
        return ()
    dataclasses = sys.modules["dataclasses"]  # the class has imported it; an import here would slow down a cold start
    missing = dataclasses.MISSING
    slots = {name for one in cls.__mro__ for name in one.__dict__.get("__slots__", ())}
    return tuple(
        (one.name, one.default)
        for one in dataclasses.fields(cls)
        if one.default is not missing and one.name not in slots
    )
