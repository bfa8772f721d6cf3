"""Example values for JSON Schemas: the same value each time, and no value rather than a wrong one.

It reads the keywords that the schemas of `type_schemas.py` have. Examples of the declaration (`Meta(examples=[…])`) come first, if they fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import UNSET

Schema = Mapping[str, Any]
Found = Any
"""A value, or UNSET if none is known."""

FORMATS: dict[str, str] = {
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "decimal": "9.5",
    "email": "ann@example.com",
    "uri": "https://example.com",
}
NAMES: dict[str, str] = {
    "email": FORMATS["email"],
    "url": FORMATS["uri"],
    "name": "Ann",
    "username": "ann",
    "full_name": "Ann Example",
}
"""Name of a text attribute → an example."""
TEXTS = (
    "text", "Text", "TEXT", "a", "A", "aa", "AA", "abc", "ABC", "1", "12", "123", "1234", "12345", "a1", "A1", "AB12", "A-1", "AB-12", "1.0", "1.0.0",
    "a-b", "a_b", "a.b", "/a", "#aabbcc", *FORMATS.values(), "+441234567890", "127.0.0.1", "aGVsbG8=", "",
)  # fmt: skip
"""Texts that are tried against a pattern."""
WORD = "text"
WORDLESS = frozenset({"description", "title", "default"})
"""Members of a schema that do not restrict values."""
NUMBERS = (1, 2, 10, 100, 0, -1)


class Values:
    """Example values for schemas that refer to `components`."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def of(self, schema: Schema, name: str = "", within: tuple[str, ...] = ()) -> Found:
        """Return a value that fits, UNSET if none is known. `name`: the name of the member that has the value; `within`: the components around it."""
        reference = schema.get("$ref")
        if reference is not None:
            known = reference.rpartition("/")[2]
            return UNSET if known in within else self.of(self._components[known], name, (*within, known))
        declared = [*schema.get("examples", ()), *([schema["const"]] if "const" in schema else ()), *_chosen(schema)]
        for value in declared:
            if fits(schema, value):
                return value
        if "enum" in schema or "const" in schema:
            return UNSET
        if "not" in schema:
            return self._other(schema, name, within)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._any(options, name, within)
        make = MAKERS.get(schema["type"]) if isinstance(schema.get("type"), str) else None
        if make is not None:
            return make(self, schema, name, within)
        if "null" in schema.get("type", ()):
            return None
        return WORD if schema.keys() <= WORDLESS else UNSET

    def _other(self, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
        """Return a value that is none of those that `not` lists."""
        excluded = schema["not"]
        value = self.of({member: one for member, one in schema.items() if member != "not"}, name, within)
        return value if excluded.keys() == {"enum"} and value not in excluded["enum"] else UNSET

    def _any(self, options: Iterable[Schema], name: str, within: tuple[str, ...]) -> Found:
        """Return the first value that can be made, and null only if there is no other."""
        found = [value for value in (self.of(one, name, within) for one in options) if value is not UNSET]
        return next((value for value in found if value is not None), None if found else UNSET)

    def _array(self, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
        least, items = schema.get("minItems", 0), schema.get("items")
        if "prefixItems" in schema:
            found = [self.of(one, "", within) for one in schema["prefixItems"]]
        else:
            one = self.of(items, "", within) if isinstance(items, Mapping) else UNSET
            found = [] if one is UNSET or schema.get("maxItems") == 0 else [one] * max(1, least)
        twice = schema.get("uniqueItems", False) and len(found) > 1
        return UNSET if UNSET in found or twice or not fits(schema, found) else found

    def _object(self, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
        found = {one: self.of(inner, one, within) for one, inner in schema.get("properties", {}).items()}
        found = {one: value for one, value in found.items() if value is not UNSET}
        enough = len(found) >= schema.get("minProperties", 0) and found.keys() >= {*schema.get("required", ())}
        return found if enough else UNSET


def _chosen(schema: Schema) -> list[Any]:
    return [one for one in schema.get("enum", ()) if one is not None]


def _text(values: Values, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if schema.get("contentEncoding") == "base64":
        tried: tuple[str, ...] = ("aGVsbG8=", "A" * (least + -least % 4))
    elif "format" in schema:
        tried = (FORMATS[schema["format"]],) if schema["format"] in FORMATS else ()
    elif "pattern" in schema:
        tried = (*([NAMES[name]] if name in NAMES else ()), *TEXTS)
    else:
        long = WORD * (least // len(WORD) + 1)
        tried = (*([NAMES[name]] if name in NAMES else ()), WORD, long[: max(least, min(len(WORD), most or least))])
    return next((one for one in tried if fits(schema, one)), UNSET)


def _number(values: Values, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
    bounds = [schema[one] for one in ("minimum", "maximum") if one in schema]
    inner = [schema[one] + step for one, step in (("exclusiveMinimum", 1), ("exclusiveMaximum", -1)) if one in schema]
    between = [sum(schema[one] for one in OPEN) / 2] if schema["type"] == "number" and {*OPEN} <= {*schema} else []
    multiple = schema.get("multipleOf")
    tried = [*NUMBERS, *bounds, *inner, *between, *([multiple] if multiple else [])]
    return next((one for one in tried if fits(schema, one)), UNSET)


OPEN = ("exclusiveMinimum", "exclusiveMaximum")


def _false(values: Values, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
    return False


def _null(values: Values, schema: Schema, name: str, within: tuple[str, ...]) -> Found:
    return None


MAKERS: dict[str, Callable[[Values, Schema, str, tuple[str, ...]], Found]] = {
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": _false,
    "null": _null,
    "array": Values._array,
    "object": Values._object,
}
"""Type → the function that makes a value of it."""

TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "const": lambda value, wanted: bool(value == wanted),
    "enum": lambda value, wanted: value in wanted,
    "minimum": lambda value, least: bool(value >= least),
    "maximum": lambda value, most: bool(value <= most),
    "exclusiveMinimum": lambda value, least: bool(value > least),
    "exclusiveMaximum": lambda value, most: bool(value < most),
    "multipleOf": lambda value, unit: bool(value % unit == 0),
    "minLength": lambda value, least: len(value) >= least,
    "maxLength": lambda value, most: len(value) <= most,
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
    "minItems": lambda value, least: len(value) >= least,
    "maxItems": lambda value, most: len(value) <= most,
}
"""Keyword of a schema → the function that checks a value of the right type."""


def fits(schema: Schema, value: Any) -> bool:
    """Return whether the value satisfies the schema's own keywords. Contents of lists and objects are not checked."""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(TYPES[kind](value) for kind in kinds):
        return False
    return all(check(value, schema[word]) for word, check in CHECKS.items() if word in schema)
