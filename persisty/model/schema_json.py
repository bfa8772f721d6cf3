"""A schema as JSON: read with every fault and its path, written, and described by a JSON Schema (draft 2020-12).

The reader walks over the records of `persisty.model.schema`: their annotations define the type of each member, and the tables below the
record for each value of the member `kind`.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct

from ..errors import Fault, InvalidDeclaration
from . import nesting
from .access import Access
from .expressions import FILTERS, Filter
from .rules import RULES, Rule
from .schema import DEFAULTS, DEFINITIONS, Default, Definition, Document, Schema, canonical
from .schema_types import TYPES, Part, Type

S = TypeVar("S", bound=Struct)

KINDS: dict[type[Struct], Mapping[str, type[Struct]]] = {
    base: {str(row.__struct_config__.tag): row for row in rows}
    for base, rows in (
        (Type, TYPES),
        (Default, DEFAULTS),
        (Definition, DEFINITIONS),
        (Access, (Access,)),
        (Rule, RULES),
        (Filter, FILTERS),
    )
}
"""Record → its kinds, by the value of the member `kind`."""

MAX_STEPS = 100
"""The most steps of a path. Types, rules and filters can contain others."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_to_json(schema: Schema | Document) -> bytes:
    """Return the JSON of one schema, or of a document of several."""
    return msgspec.json.encode(canonical(schema))


def schema_from_json(text: bytes | str) -> Schema:
    """Return the schema that a JSON text describes. `InvalidDeclaration` lists every fault with its path."""
    return read(Schema, _decoded(text))


def document_from_json(text: bytes | str) -> Document:
    """Return the document of several schemas. `InvalidDeclaration` lists every fault with its path."""
    return read(Document, _decoded(text))


def document_of(schemas: Iterable[Schema]) -> Document:
    """Return the document of these schemas."""
    return Document(schemas=tuple(schemas))


def read(record: type[S], given: Any) -> S:
    """Return the record that decoded JSON describes. `InvalidDeclaration` lists every fault with its path."""
    faults: list[Fault] = []
    found = _read(record, given, "", faults)
    if faults or not isinstance(found, record):
        raise InvalidDeclaration("The schema is not valid", faults=faults)
    return found


def _decoded(text: bytes | str) -> Any:
    try:
        return nesting.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidDeclaration("The schema is not JSON", faults=[Fault("", str(error), "JSON")]) from error


def _read(annotation: Any, given: Any, path: str, faults: list[Fault]) -> Any:
    """Return the value of an annotation, or None with a fault."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return given
    if origin in (Union, types.UnionType):
        return _read_one_of(arguments, given, path, faults)
    if origin is tuple:
        if not isinstance(given, list):
            return _fault(path, "an array", given, faults)
        return tuple([_read(arguments[0], one, f"{path}/{n}", faults) for n, one in enumerate(given)])
    if origin is dict:
        if not isinstance(given, dict):
            return _fault(path, "an object", given, faults)
        return {name: _read(arguments[1], one, path + _step(name), faults) for name, one in given.items()}
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return _read_record(annotation, given, path, faults)
    try:
        return msgspec.convert(given, annotation)
    except msgspec.ValidationError:
        expected = ", ".join(map(repr, arguments)) if origin is Literal else annotation.__name__
        return _fault(path, expected, given, faults)


def _read_one_of(arms: tuple[Any, ...], given: Any, path: str, faults: list[Fault]) -> Any:
    """Return the value of the arm that its JSON type selects: a record for an object, else a plain value."""
    records = [arm for arm in arms if isinstance(arm, type) and issubclass(arm, Struct)]
    other_arms = tuple(arm for arm in arms if arm not in records)
    if isinstance(given, dict) and records:
        kinds = {kind: row for record in records for kind, row in KINDS.get(record, {}).items()}
        return _read_record(records[0], given, path, faults, kinds)
    if not other_arms or not records:
        arrays = [arm for arm in other_arms if get_origin(arm) is tuple]
        if arrays and isinstance(given, list):
            return _read(arrays[0], given, path, faults)
    try:
        return msgspec.convert(given, Union[other_arms]) if other_arms else _fault(path, _names(arms), given, faults)  # noqa: UP007 - built at run time
    except msgspec.ValidationError:
        return _fault(path, _names(arms), given, faults)


def _read_record(
    record: type[Struct], given: Any, path: str, faults: list[Fault], kinds: Mapping[str, type[Struct]] | None = None
) -> Any:
    """Return the record of an object, which its member `kind` selects where there are several `kinds`."""
    kinds = kinds or KINDS.get(record)
    if not isinstance(given, dict):
        return _fault(path, "an object", given, faults)
    if path.count("/") > MAX_STEPS:
        return _fault(path, f"at most {MAX_STEPS} levels", given, faults)
    members = dict(given)
    if kinds:
        kind = members.pop("kind", None)
        found = kinds.get(kind) if isinstance(kind, str) else None
        if found is None:
            faults.append(Fault(f"{path}/kind", "Unknown kind", "one of " + ", ".join(kinds), _shown(kind)))
            return None
        record = found
    hints, count = get_type_hints(record), len(faults)
    required = _required(record)
    values = {}
    for name, value in members.items():
        if name in hints and name in record.__struct_fields__:
            values[name] = _read(hints[name], value, path + _step(name), faults)
        else:
            allowed = ", ".join(record.__struct_fields__) or "no members"
            faults.append(Fault(path + _step(name), "Unknown member", allowed))
    faults += [Fault(f"{path}/{name}", "Missing", "a value", "nothing") for name in required if name not in members]
    return None if len(faults) > count else record(**values)


def _required(record: type[Struct]) -> list[str]:
    """Return the members without a default, and the version of the format, which is always required."""
    without = len(record.__struct_fields__) - len(record.__struct_defaults__)
    defaults = (*[NODEFAULT] * without, *record.__struct_defaults__)
    named = zip(record.__struct_fields__, defaults, strict=True)
    return [name for name, default in named if default is NODEFAULT or name == "persisty"]


def _names(arms: Iterable[Any]) -> str:
    return " or ".join({type(None): "null"}.get(arm, getattr(arm, "__name__", str(arm)).lower()) for arm in arms)


def _step(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _fault(path: str, expected: str, given: Any, faults: list[Fault]) -> None:
    faults.append(Fault(path, f"Expected {expected}", expected, _shown(given)))


def _shown(given: Any) -> str:
    if isinstance(given, dict | list):
        return "an object" if isinstance(given, dict) else "an array"
    return msgspec.json.encode(given).decode()[:80]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a `Document`, which describes the output of `persisty schema`."""
    concrete = [row for rows in KINDS.values() for row in rows.values()]
    _, found = msgspec.json.schema_components([Document, *concrete], ref_template="#/$defs/{name}")
    for base, rows in KINDS.items():
        if base in rows.values():
            continue
        found[base.__name__] = {"oneOf": [{"$ref": f"#/$defs/{row.__name__}"} for row in rows.values()]}
    for versioned in (Schema, Document):
        found[versioned.__name__]["required"] = ["persisty", *found[versioned.__name__]["required"]]
    for one in found.values():
        one.pop("title", None)  # the name of the class, as in `$defs`
        if "description" in one:
            one["description"] = _unindented(one["description"])
    for record in concrete:
        if not issubclass(record, Part):
            found[record.__name__]["additionalProperties"] = False
    root = {"$schema": DIALECT, "title": "The schemas of a Persisty app", "$ref": "#/$defs/Document"}
    return {**root, "$defs": _without_discriminators(found)}


def _without_discriminators(found: Any) -> Any:
    """Return the definitions without `discriminator`, which is not part of JSON Schema and lists only the base of a rule."""
    if isinstance(found, dict):
        return {name: _without_discriminators(one) for name, one in found.items() if name != "discriminator"}
    return [_without_discriminators(one) for one in found] if isinstance(found, list | tuple) else found


def _unindented(text: str) -> str:
    """Return a docstring without the indentation of its lines."""
    return "\n".join(line.strip() for line in text.splitlines())
