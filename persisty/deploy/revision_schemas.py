"""The text of the schemas in a revision file: a line for each attribute, and after a change only what differs.

```
BEFORE   {"name": "car", "attributes": [ {"name": "id", …}, {"name": "odometer", …} ], "indexes": […]}
AFTER    {"name": "car", "after": "car", "attributes": [ "id", {"name": "mileage", …} ], "same": ["indexes"]}
```

In `AFTER`, the name of an attribute stands for the attribute in `BEFORE`, and `same` lists the members that have not changed. An `AFTER` of whole schemas, as
older versions wrote it, is read too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import InvalidDeclaration
from ..model.schema import Schema, canonical
from ..model.schema_json import document_from_json

WHOLE = ("name", "after", "attributes")
"""Members that are written for every schema."""
WIDTH = 150
"""Most characters of a line of several names."""


def texts_of(before: Sequence[Schema], after: Sequence[Schema]) -> tuple[str, str]:
    """Return the texts of `BEFORE` and `AFTER`."""
    former = {one.name: _members(one) for one in before}
    return _text(former.values()), _text([_changed(one, former) for one in after])


def schemas_of(before: str, after: str) -> tuple[list[Schema], list[Schema]]:
    """Return the schemas of both texts. `InvalidDeclaration` lists every fault with its path."""
    try:
        former = {one["name"]: one for one in _whole(before, {})}
        changed = list(_whole(after, former))
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as error:
        raise InvalidDeclaration(f"BEFORE and AFTER are not schemas: {error!r}") from error
    return _read(former.values()), _read(changed)


def _members(schema: Schema) -> dict[str, Any]:
    """Return a schema as JSON values, without those that the reader fills in."""
    found: dict[str, Any] = canonical(schema)
    del found["persisty"]
    for one in found["attributes"]:
        if one["id"] == one["name"]:
            del one["id"]
    return found


def _changed(schema: Schema, former: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs in a schema from the one before, whose name or former name it has."""
    found = _members(schema)
    name = next((one for one in (schema.name, *reversed(schema.former_names)) if one in former), None)
    if name is None:
        return found
    before = former[name]
    attributes = {one["name"]: one for one in before["attributes"]}
    same = [member for member in before if member not in WHOLE and before[member] == found.get(member)]
    changed: dict[str, Any] = {"name": schema.name, "after": name}
    changed["attributes"] = [one["name"] if attributes.get(one["name"]) == one else one for one in found["attributes"]]
    changed |= {member: value for member, value in found.items() if member not in WHOLE and member not in same}
    return changed | ({"same": same} if same else {})


def _whole(text: str, former: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas of a text in full, as JSON values."""
    for one in msgspec.json.decode(text)["schemas"]:
        before = former.get(one.pop("after", None), {})
        attributes = {each["name"]: each for each in before.get("attributes", ())}
        same = {member: before[member] for member in one.pop("same", ())}
        one["attributes"] = [attributes[each] if isinstance(each, str) else each for each in one["attributes"]]
        yield one | same


def _read(schemas: Iterable[Mapping[str, Any]]) -> list[Schema]:
    filled = [
        {"persisty": 1, **one, "attributes": [{"id": each["name"], **each} for each in one["attributes"]]}
        for one in schemas
    ]
    return [*document_from_json(msgspec.json.encode({"persisty": 1, "schemas": filled})).schemas]


def _text(schemas: Iterable[Mapping[str, Any]]) -> str:
    """Return JSON with a line for each attribute and each other member."""
    lines = ",\n".join(map(_schema, schemas))
    text = f'{{"persisty": 1, "schemas": [\n{lines}\n]}}' if lines else '{"persisty": 1, "schemas": []}'
    return text.replace('"""', '\\"\\"\\"')


def _schema(schema: Mapping[str, Any]) -> str:
    lines = []
    for name, value in schema.items():
        if name == "attributes":
            shown = ",\n".join(f"    {line}" for line in _lines(value))
            lines.append(f'  "attributes": [\n{shown}\n  ]')
        else:
            lines.append(f"  {_json(name)}: {_json(value)}")
    return "{\n" + ",\n".join(lines) + "\n}"


def _lines(attributes: Iterable[Any]) -> Iterator[str]:
    """Yield a line for each attribute. Names that follow each other share lines."""
    names = ""
    for one in map(_json, attributes):
        if one.startswith("{"):
            if names:
                yield names
            names = ""
            yield one
        elif names and len(names) + len(one) < WIDTH:
            names += f", {one}"
        else:
            if names:
                yield names
            names = one
    if names:
        yield names


def _json(value: Any) -> str:
    """Return JSON in one line, with a space after each comma and colon."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
