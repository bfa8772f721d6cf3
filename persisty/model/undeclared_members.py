"""Find the members of nested objects that their classes do not declare, in a value that a caller gives.

msgspec ignores such members unless the class forbids them. For a stored item this is right: a field that was removed later does no harm. In a
request, an ignored member is a value that the caller loses without an error, so it is a fault. A type is compiled once to the shapes of the
objects, dicts and arrays in its values that contain objects. A type without nested objects has no shapes and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, TypeAlias

from msgspec import Struct

from ..errors import MAX_FAULTS, Fault
from . import schema_types as forms
from .allowed_values import one_of
from .meta import StoreMeta, per_meta
from .msgspec_faults import pointer
from .schema import Object
from .schema_types import Type
from .type_descriptions import Described, described, item_of
from .types import Kind


class Members(Struct, eq=False):
    """An object with declared members. `shapes`: member → the shapes of its values. `nested`: those of them that are not empty. `tag_field`: the member
    that distinguishes the objects of a union. `complete`: False for a stored item, whose members depend on the caller and are checked elsewhere."""

    tag_field: str | None
    tag: str | int | None
    complete: bool
    shapes: dict[str, tuple[Shape, ...]]
    nested: tuple[tuple[str, tuple[Shape, ...]], ...] = ()


class Values(Struct, eq=False):
    """A dict."""

    shapes: tuple[Shape, ...]


class Elements(Struct, eq=False):
    """An array: `places` are the shapes of its first elements, `shapes` those of the others."""

    places: tuple[tuple[Shape, ...], ...]
    shapes: tuple[Shape, ...]


Shape: TypeAlias = Members | Values | Elements
Shapes: TypeAlias = tuple[Shape, ...]
"""The shapes that a value may have: several for a union, none for a value without objects."""


@per_meta
def shapes_of(meta: StoreMeta[Any]) -> dict[str, Shapes]:
    """Return attribute → the shapes of its values, for the attributes with nested objects."""
    nested = ((name, one) for name, one in meta.attributes.items() if one.kind is Kind.JSON)
    found = ((name, shapes_within(described(one.type, meta))) for name, one in nested)
    return {name: shapes for name, shapes in found if shapes}


def shapes_within(found: Described) -> Shapes:
    """Return the shapes of the values of a described type."""
    return _Compiler(found).of(found.type)


def is_declared(shapes: Shapes, value: Any) -> bool:
    """Return whether a value certainly has declared members only, in a tenth of the time of `undeclared_members`."""
    try:
        return _is_declared(shapes, value)
    except RecursionError:
        return False


def _is_declared(shapes: Shapes, value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        for one in shapes:
            if type(one) is Values:
                if not all(_is_declared(one.shapes, part) for part in value.values()):
                    return False
            elif type(one) is Members and (one.tag_field is None or value.get(one.tag_field, one.tag) == one.tag):
                if one.complete and not value.keys() <= one.shapes.keys():
                    return False
                for name, within in one.nested:
                    if name in value and not _is_declared(within, value[name]):
                        return False
        return True
    if kind is list:
        return all(
            _is_declared(one.places[at] if at < len(one.places) else one.shapes, part)
            for one in shapes
            if type(one) is Elements
            for at, part in enumerate(value)
        )
    return kind in ATOMS or isinstance(value, Struct)


ATOMS = frozenset({NoneType, str, int, float, bool})
"""Types of values without members."""


def undeclared_members(shapes: Shapes, given: Any, path: str) -> list[Fault]:
    """Return a fault for each member of the nested objects that is not declared, at most `MAX_FAULTS`. The value may be invalid otherwise."""
    faults: list[Fault] = []
    pending = [(shapes, given, path)]
    while pending and len(faults) < MAX_FAULTS:
        some, value, at = pending.pop()
        inner: list[tuple[Shapes, Any, str]] = []
        for step, within, part in _parts(some, value):
            if within is None:
                faults.append(Fault(at + pointer(step), "Unknown member", one_of(_declared(some, value))))
            elif within:
                inner.append((within, part, at + pointer(step)))
        pending += reversed(inner)
    return faults[:MAX_FAULTS]


def _parts(shapes: Shapes, value: Any) -> Iterator[tuple[object, Shapes | None, Any]]:
    """Yield (name or position, shapes, part) of the value. The shapes of an unknown member are None."""
    if isinstance(value, Mapping):
        declared = _object(shapes, value)
        if declared is not None:
            unknown: Shapes | None = None if declared.complete else ()
            yield from ((name, declared.shapes.get(name, unknown), part) for name, part in value.items())
        for one in shapes:
            if isinstance(one, Values):
                yield from ((name, one.shapes, part) for name, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        for one in shapes:
            if isinstance(one, Elements):
                places = one.places
                yield from ((at, places[at] if at < len(places) else one.shapes, part) for at, part in enumerate(value))


def _object(shapes: Shapes, value: Mapping[Any, Any]) -> Members | None:
    """Return the declared object that the value is, None if it is none."""
    for one in shapes:
        if isinstance(one, Members) and (one.tag_field is None or value.get(one.tag_field, one.tag) == one.tag):
            return one
    return None


def _declared(shapes: Shapes, value: Any) -> tuple[str, ...]:
    declared = _object(shapes, value)
    return () if declared is None else tuple(declared.shapes)


class _Compiler:
    """Compiles the types of one description. A class is compiled once, because it may contain itself."""

    def __init__(self, found: Described) -> None:
        self._found = found
        self._named: dict[str, Shapes] = {}

    def of(self, type_: Type) -> Shapes:
        """Return the shapes of the values of a type."""
        return tuple(shape for one in forms.arms(type_) for shape in self._of_one(one))

    def _of_one(self, type_: Type) -> Shapes:
        match type_:
            case forms.Named() if isinstance(self._found.definition(type_), Object):
                return self._named.get(type_.name) or self._class(type_)
            case forms.Dict(values=values) if shapes := self.of(values):
                return (Values(shapes),)
            case forms.List(items=items) | forms.Set(items=items) if shapes := self.of(items):
                return (Elements((), shapes),)
            case forms.Tuple(every=Type() as every) if shapes := self.of(every):
                return (Elements((), shapes),)
            case forms.Tuple(items=tuple() as items) if any(places := tuple(map(self.of, items))):
                return (Elements(places, ()),)
        return ()

    def _class(self, named: forms.Named) -> Shapes:
        definition: Any = self._found.definition(named)
        if definition.array_like:
            array = Elements((), ())
            self._named[named.name] = (array,)
            first: tuple[Shapes, ...] = ((),) if definition.tag_field else ()  # the tag precedes the fields
            array.places = (*first, *(self.of(one.type) for one in definition.fields))
        else:
            stored = item_of(self._found.cls(named)) is not None
            members = Members(definition.tag_field, definition.tag, not stored, {})
            self._named[named.name] = (members,)
            if definition.tag_field is not None:
                members.shapes[definition.tag_field] = ()
            for one in definition.fields:
                members.shapes[one.key] = self.of(one.type)
            members.nested = tuple((name, within) for name, within in members.shapes.items() if within)
        return self._named[named.name]
