"""Members that stored JSON lacks, although their default is a function that returns another value at each call.

As for an attribute (`missing_values`), such a member is null: each read would return another value. An object whose field does not allow None is not of the
declared type then. msgspec calls the function instead, so this module completes the JSON before msgspec decodes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import NODEFAULT

from . import schema_types as forms
from .dataclass_defaults import completing
from .per_class import PerClass
from .schema import Object
from .schema_types import Type
from .struct_fields import StructField, declared_fields
from .type_descriptions import Described, described


def constant_default(field: StructField) -> Any:
    """Return the default of a field. None if it has none, or if its function returns another value at each call."""
    if field.default_factory is NODEFAULT:
        return None if field.default is NODEFAULT else field.default
    return _made_twice(field.default_factory)[0]


def _made_twice(factory: Callable[[], Any]) -> tuple[Any, bool]:
    """Return the value of a function, and whether two calls return equal values. The value is None if they do not."""
    try:
        made = factory()
        return (made, True) if made == factory() else (None, False)
    except Exception:  # a function of an app can raise anything, for example outside a request
        return None, False


def stored_decoder(annotation: Any) -> Callable[[Any], Any]:
    """Return the function that decodes the JSON of a stored value of a type: with every default, and without values that are made anew."""
    return completing(annotation, _without_made(annotation, msgspec.json.Decoder(annotation).decode))


def _without_made(annotation: Any, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    found = described(annotation)
    fill = _Steps(found).of(found.type) if any(map(_made_anew, found.classes.values())) else None
    if fill is None:
        return decode

    def decode_stored(text: Any) -> Any:
        value = msgspec.json.decode(text)
        return decode(msgspec.json.encode(value) if fill(value, "$") else text)

    return decode_stored


Fill = Callable[[Any, str], bool]
"""(decoded JSON, its path in msgspec's notation) → whether a null was added. Raises msgspec's error for a member that must not be null."""


class _Steps:
    """The functions that complete the JSON of one description: they look only where its types have such fields."""

    def __init__(self, found: Described) -> None:
        self._found = found
        self._classes = PerClass(self._object, _later)

    def of(self, type_: Type) -> Fill | None:
        """Return the function for values of a type, None if they lack no such member."""
        fills = [fill for fill in map(self._one, forms.arms(type_)) if fill is not None]
        if len(fills) < 2:
            return fills[0] if fills else None
        return lambda value, path: sum(fill(value, path) for fill in fills) > 0

    def _one(self, type_: Type) -> Fill | None:
        match type_:
            case forms.Named(name=name):
                return self._classes.of(name)
            case forms.Dict(values=inner):
                return self._members(inner, dict, dict.items)
            case forms.List(items=inner) | forms.Set(items=inner) | forms.Tuple(every=Type() as inner):
                return self._members(inner, list, enumerate)
        return None

    def _members(self, inner: Type, kind: type, members: Callable[[Any], Iterable[tuple[Any, Any]]]) -> Fill | None:
        fill = self.of(inner)
        if fill is None:
            return None

        def fill_members(value: Any, path: str) -> bool:
            if not isinstance(value, kind):
                return False
            return sum(fill(one, f"{path}[{place if kind is list else '...'}]") for place, one in members(value)) > 0

        return fill_members

    def _object(self, name: str) -> Fill | None:
        definition, cls = self._found.definitions[name], self._found.classes[name]
        if not isinstance(definition, Object) or definition.array_like:
            return None
        made_anew = _made_anew(cls)
        absent = [(one.key, forms.is_nullable(one.type)) for one in definition.fields if one.key in made_anew]
        below = [(one.key, fill) for one in definition.fields if (fill := self.of(one.type)) is not None]
        if not absent and not below:
            return None
        tag_field, tag = definition.tag_field, definition.tag

        def fill_object(value: Any, path: str) -> bool:
            if not isinstance(value, dict) or (tag_field is not None and value.get(tag_field) != tag):
                return False
            filled = False
            for key, nullable in absent:
                if key in value:
                    continue
                if not nullable:
                    raise msgspec.ValidationError(f"Object missing required field `{key}` - at `{path}`")
                value[key], filled = None, True
            for key, fill in below:
                filled = (key in value and fill(value[key], f"{path}.{key}")) or filled
            return filled

        return fill_object


def _later(found: Callable[[], Fill | None]) -> Fill:
    def fill_later(value: Any, path: str) -> bool:
        fill = found()
        return fill is not None and fill(value, path)

    return fill_later


def _made_anew(cls: Any) -> frozenset[str]:
    """Return the names in JSON of the fields of a class whose default is a function that returns another value at each call."""
    made = [one for one in declared_fields(cls) if one.default_factory is not NODEFAULT]
    return frozenset([one.json for one in made if not _made_twice(one.default_factory)[1]])
