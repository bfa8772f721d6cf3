"""Compare the types of nested values: find differences that make stored values invalid.

A wider type is not a difference: a new field with a default, a further member of a union or an enum. Constraints apply to new values only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from .schema import AttributeSchema, Definition, Enumeration, Field, Function, Object, Schema
from .schema_types import Anything, Choice, Dict, List, Named, Null, OneOf, Python, Set, Tuple, Type, is_nullable
from .type_construction import FACTORIES

Path = tuple[str, ...]
WIDER = frozenset({("integer", "float"), ("integer", "decimal")})
"""Pairs of a type and another one that takes all of its values."""


def nested_differences(
    stored: Schema, was: AttributeSchema, declared: Schema, now: AttributeSchema
) -> tuple[list[str], list[str]]:
    """Return the differences that may make stored values of an attribute invalid, and the paths of fields that are no longer declared."""
    found = [*_Comparison(stored, declared).of(was.type, now.type, ())]
    return [text for text, is_removal in found if not is_removal], [text for text, is_removal in found if is_removal]


class _Comparison:
    """`of` yields (text, whether the text is the path of a removed field)."""

    def __init__(self, stored: Schema, declared: Schema) -> None:
        self._stored, self._declared = stored.types, declared.types
        self._compared: set[tuple[str, str]] = set()

    def of(self, old: Type, new: Type, path: Path) -> Iterator[tuple[str, bool]]:
        if isinstance(new, Anything | Python) or isinstance(old, Python):
            return
        if isinstance(old, OneOf) or isinstance(new, OneOf):
            yield from self._union(old, new, path)
            return
        if isinstance(old, Named) and isinstance(new, Named):
            if (old.name, new.name) in self._compared:  # an object may contain others of its type
                return
            self._compared.add((old.name, new.name))
        before = self._stored.get(old.name) if isinstance(old, Named) else old
        after = self._declared.get(new.name) if isinstance(new, Named) else new
        if before is None or after is None:
            return
        if isinstance(before, Object) and isinstance(after, Object):
            yield from self._fields(before, after, path)
            return
        values, allowed = _values(before), _values(after)
        if allowed is not None:
            removed = [str(one) for one in values or () if one not in allowed]
            if values is None or removed:
                yield f"{_shown(path)} no longer has {', '.join(removed) or 'any other value'}", False
            return
        kinds = (_kind(before), _kind(after))
        if kinds[0] != kinds[1]:
            if kinds not in WIDER:
                yield f"{_shown(path)} is {kinds[1]} now, was {kinds[0]}", False
            return
        if isinstance(before, Type) and isinstance(after, Type):
            for one, other in zip_longest(_parts(before), _parts(after), fillvalue=Anything()):
                yield from self.of(one, other, (*path, "*"))

    def _union(self, old: Type, new: Type, path: Path) -> Iterator[tuple[str, bool]]:
        """Yield the differences from the most similar member, for each member of the old type."""
        members = new.types if isinstance(new, OneOf) else (new,)
        for one in old.types if isinstance(old, OneOf) else (old,):
            compared, best = {*self._compared}, None
            for member in members:
                self._compared = {*compared}
                found = [*self.of(one, member, path)]
                if best is None or len(found) < len(best):
                    best = found
            self._compared = compared
            yield from best or ()

    def _fields(self, before: Object, after: Object, path: Path) -> Iterator[tuple[str, bool]]:
        if before.array_like != after.array_like or (before.tag_field, before.tag) != (after.tag_field, after.tag):
            yield f"{_shown(path)} is another kind of object", False
            return
        stored, declared = ({one.key: one for one in each.fields} for each in (before, after))
        for name in stored.keys() - declared.keys():
            yield _shown((*path, name)), True
        for name, field in declared.items():
            if name in stored:
                yield from self.of(stored[name].type, field.type, (*path, name))
            if name in stored and not stored[name].omittable:
                continue
            if field.required:
                yield f"{_shown((*path, name))} is required now", False
            elif _may_be_made_anew(field):
                yield f"{_shown((*path, name))} has no stored value, and a function makes its default", False
        if before.array_like and [*stored][: len(declared)] != [*declared][: len(stored)]:
            yield f"{_shown(path)} has its fields in another order", False


def _may_be_made_anew(field: Field) -> bool:
    """Return whether stored values that lack a field may be unreadable, because each call of its function may return another value."""
    made = isinstance(field.default, Function) and field.default.function not in FACTORIES
    return made and not is_nullable(field.type)


def _values(one: Type | Definition) -> tuple[str | int | None, ...] | None:
    if isinstance(one, Choice):
        return one.values
    return one.values if isinstance(one, Enumeration) else None


def _kind(one: Type | Definition) -> str:
    if isinstance(one, Null):
        return "None"
    values = _values(one)
    if values is not None:
        return "integer" if all(isinstance(each, int) for each in values) else "string"
    return "object" if isinstance(one, Object | Dict) else str(one.__struct_config__.tag)


def _parts(one: Type) -> tuple[Type, ...]:
    """Return the types of the values in a value."""
    match one:
        case List() | Set():
            return (one.items,)
        case Dict():
            return (one.keys, one.values)
        case Tuple():
            return one.items or (() if one.every is None else (one.every,))
    return ()


def _shown(path: Path) -> str:
    return "/" + "/".join(path) if path else "the value"
