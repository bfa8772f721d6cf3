"""The types of a Python client: their annotations, and the classes that are declared for them."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Sequence
from inspect import cleandoc
from typing import Any

from msgspec import UNSET

from .description import BatchClient, ClientDescription, Comparison, LinkField, StoreClient
from .types import Choice, Field, Listed, Mapped, Named, Of, Paged, Record, Scalar, Tupled, Type, United, nullable

SCALARS: dict[Of, str] = {
    Of.STRING: "str",
    Of.INTEGER: "int",
    Of.LONG: "int",
    Of.FLOAT: "float",
    Of.BOOLEAN: "bool",
    Of.NULL: "None",
    Of.ANY: "_t.Any",
    Of.DATETIME: "_datetime",
    Of.DATE: "_date",
    Of.TIME: "_time_of_day",
    Of.DURATION: "_timedelta",
    Of.UUID: "_UUID",
    Of.DECIMAL: "_Decimal",
    Of.BYTES: "bytes",
}
"""Scalar → its Python type."""
BUILTIN = frozenset({"str", "int", "float", "bool", "bytes", "list", "dict", "tuple"})
"""Names of built-in types that an attribute may also have."""

OPERANDS: dict[str, str] = {"oneof": "_Sequence[{of}]", "null": "bool"}
"""Operator → the type of its operand, if it differs from the attribute's."""


class Spelling:
    """The annotations of types in a file. `shadowed`: built-in names that members of its classes hide."""

    def __init__(self, shadowed: Iterable[str] = ()) -> None:
        self._shadowed = BUILTIN.intersection(shadowed)

    def of(self, of: Type, *, given: bool = False) -> str:
        """Return the annotation of a type. `given`: the type of an input, which accepts any sequence for a list."""
        match of:
            case Scalar(of=one):
                return self.builtin(SCALARS[one])
            case Choice(values=values):
                return self._choice(values)
            case Listed(item=item):
                return f"{'_Sequence' if given else self.builtin('list')}[{self.of(item, given=given)}]"
            case Tupled(items=items):
                inner = ", ".join(self.of(one, given=given) for one in items) or "()"
                return f"{self.builtin('tuple')}[{inner}]"
            case Mapped(key=key, value=value):
                name = "_Mapping" if given else self.builtin("dict")
                return f"{name}[{self.of(key)}, {self.of(value, given=given)}]"
            case Paged(item=item):
                return f"Page[{self.of(item)}]"
            case Named(name=name):
                return name
            case United(arms=arms):
                return " | ".join(self.of(one, given=given) for one in arms)

    def builtin(self, name: str) -> str:
        return f"_b.{name}" if name in self._shadowed else name

    def _choice(self, values: Sequence[Any]) -> str:
        if any(isinstance(one, float) for one in values):  # a Literal takes no float
            return self.builtin("float")
        return f"_t.Literal[{', '.join(map(literal, values))}]"


def literal(value: Any) -> str:
    """Return a value quoted as the formatter does."""
    if not isinstance(value, str):
        return repr(value)
    text = repr(value)
    return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text


def shadowed(described: ClientDescription) -> set[str]:
    """Return the names of the members of classes."""
    fields = [one.name for record in described.records for one in record.fields]
    for store in described.stores.values():
        fields += [one.name for part in (store.item, store.create, store.update, store.links) for one in part]
    return {*fields, *(one.operation.name for one in described.actions)}


WIDTH = 120
"""Columns of a line."""


def fitted(before: str, parts: Sequence[str], after: str, indent: str = "") -> str:
    """Join parts with commas on one line, or one on each line if they do not fit, as the formatter does."""
    line = f"{indent}{before}{', '.join(parts)}{after}"
    if len(line) <= WIDTH:
        return line
    listed = "".join(f"{indent}    {one},\n" for one in parts)
    return f"{indent}{before}\n{listed}{indent}{after}"


def alias(name: str, values: Sequence[str]) -> str:
    """Return the declaration of a named choice of texts."""
    if not values:
        return f"{name}: _t.TypeAlias = _t.Never\n"
    return fitted(f"{name}: _t.TypeAlias = _t.Literal[", [literal(one) for one in values], "]") + "\n"


def union(name: str, types: Sequence[str]) -> str:
    """Return the declaration of a union, on the lines where the formatter would put it."""
    whole = " | ".join(types) or "_t.Never"
    line = f"{name}: _t.TypeAlias = {whole}"
    if len(line) <= WIDTH:
        return line + "\n"
    inside = whole if len(whole) + 4 <= WIDTH else "\n    | ".join(types)
    return f"{name}: _t.TypeAlias = (\n    {inside}\n)\n"


def doc(text: str | None, indent: str = "    ") -> str:
    """Return a docstring, empty for an empty text."""
    if not text or not text.strip():
        return ""
    safe = cleandoc(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    safe = f'{safe[:-1]}\\"' if safe.endswith('"') and not safe.endswith('\\"') else safe
    first, *rest = [line.rstrip() for line in safe.splitlines()]
    below = "".join(f"\n{indent}{line}" if line else "\n" for line in rest)
    return f'{indent}"""{first}{below}{chr(10) + indent if rest else ""}"""\n'


def is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def python_name(name: str) -> str:
    """Return a valid Python name for a member."""
    plain = "".join(one if one.isidentifier() or one.isdigit() else "_" for one in name)
    plain = plain if plain[:1].isidentifier() else f"n{plain}"
    return f"{plain}_" if keyword.iskeyword(plain) else plain.lstrip("_") or "n"


def struct(
    spelling: Spelling, name: str, fields: Iterable[Field], *, description: str | None = None, settings: str = ""
) -> str:
    """Return the Struct of an output. Members that may be absent are UNSET."""
    lines: list[str] = []
    for one in fields:
        called = python_name(one.name)
        spelled = spelling.of(one.type)
        default = default_of(one)
        if not one.always:
            spelled, default = f"{spelled} | _Unset", "UNSET"
        if called != one.name:
            given = f"default={default}, " if default else ""
            default = f"_m.field({given}name={literal(one.name)})"
        lines.append(f"    {called}: {spelled}{f' = {default}' if default else ''}\n{doc(one.description)}")
    return declaration(f"class {name}(_m.Struct, kw_only=True{settings}):\n", doc(description), "".join(lines))


def default_of(field: Field) -> str:
    """Return the default of a member, empty if it is required."""
    if field.required:
        return ""
    if field.default is UNSET:
        return "UNSET"
    return literal(field.default)


def record(spelling: Spelling, one: Record) -> str:
    """Return the classes of a nested object. A missing member without a default is UNSET."""
    settings = ", array_like=True" if one.array else ""
    if one.tag is not None:
        settings += f", tag_field={literal(one.tag[0])}, tag={literal(one.tag[1])}"
    fields = [
        Field(f.name, f.type, f.required, f.always and (f.required or f.default is not UNSET), f.default, f.description)
        for f in one.fields
    ]
    return struct(spelling, one.name, fields, description=one.description, settings=settings)


def typed_dict(name: str, members: Sequence[tuple[str, str, bool, str | None]], description: str | None = None) -> str:
    """Return a TypedDict with members of (name, type, required, description)."""
    loose = bool(members) and not any(required for _, _, required, _ in members)
    total = ", total=False" if loose else ""
    typed = [(member, of if required or loose else f"_t.NotRequired[{of}]") for member, of, required, _ in members]
    if not all(is_name(member) for member, _ in typed):
        listed = "".join(f"        {literal(member)}: {literal(of)},\n" for member, of in typed)
        last = "    total=False,\n" if loose else ""
        return f'{name} = _t.TypedDict(\n    "{name}",\n    {{\n{listed}    }},\n{last})\n'
    notes = [doc(described) for *_, described in members]
    lines = "".join(f"    {member}: {of}\n{about}" for (member, of), about in zip(typed, notes, strict=True))
    return declaration(f"class {name}(_t.TypedDict{total}):\n", doc(description), lines)


def declaration(head: str, about: str, body: str) -> str:
    """Return a class with an optional docstring and members."""
    return f"{head}{about}{chr(10) if about and body else ''}{body}" if about or body else f"{head}    pass\n"


def operators(name: str, listed: Sequence[str]) -> str:
    """Return the TypedDict of a group of operators. It is generic if operands have the attribute's type."""
    of = {"TextOperators": "str", "NullOperators": ""}.get(name, "_V")
    base = "_t.TypedDict, _t.Generic[_V]" if of == "_V" else "_t.TypedDict"
    lines = [f"    {one}: {OPERANDS.get(one, '{of}').format(of=of)}\n" for one in listed]
    return f"class {name}({base}, total=False):\n{''.join(lines)}"


def comparison_type(spelling: Spelling, one: Comparison, owner: str, declared: list[str]) -> str:
    """Return the type of an attribute in a filter. Adds a TypedDict to the declarations for each object."""
    applied = one.operators
    if one.operand is not None and one.operators != "TextOperators":
        applied = f"{one.operators}[{spelling.of(one.operand)}]"
    if not one.below:
        return applied
    name = f"{owner}_{one.name}"
    members = [(inner.name, comparison_type(spelling, inner, name, declared), False, None) for inner in one.below]
    known = {member for member, *_ in members}
    if "null" not in known:
        members.append(("null", spelling.builtin("bool"), False, None))
    declared.append(typed_dict(name, members))
    return name


def store_types(spelling: Spelling, store: StoreClient, described: ClientDescription) -> list[str]:
    """Return the declarations of one store."""
    declared: list[str] = []
    partial = [Field(f.name, f.type, False, False, UNSET, f.description) for f in store.item]
    links = [link_field(one) for one in store.links]
    behind = [link_field(one, described.stores[one.target]) for one in store.links]
    declared.append(struct(spelling, store.type(), [*store.item, *links], description=store.description))
    notes = f"A part of {store.type()}: the requested `fields`, or the attributes that the caller may read. The others are UNSET."
    declared.append(struct(spelling, store.type("Partial"), [*partial, *behind], description=notes))
    if "create" in store.edits:
        given = [(f.name, spelling.of(f.type, given=True), f.required, f.description) for f in store.create]
        declared.append(typed_dict(store.type("Create"), given, f"The attributes of a new {store.type()}."))
    if "update" in store.edits:
        given = [(f.name, change_type(spelling, f, store), False, f.description) for f in store.update]
        notes = f"Changes of {store.type()}. Attributes that are left out do not change."
        declared.append(typed_dict(store.type("Update"), given, notes))
    declared += where_types(spelling, store, described)
    declared.append(alias(store.type("Order"), store.orders))
    declared.append(alias(store.type("Field"), store.fields))
    if store.includes:
        declared.append(alias(store.type("Include"), store.includes))
    declared.append(f"{store.type('Key')}: _t.TypeAlias = {key_type(spelling, store)}\n")
    if "edit_batch" in store.operations:
        declared += edit_types(store)
    return declared


def link_field(link: LinkField, partial: StoreClient | None = None) -> Field:
    of = link.type
    if partial is not None:
        some = Named(partial.type("Partial"))
        of = {Paged: Paged(some), United: nullable(some)}.get(type(of), of)
    return Field(link.name, of, False, False, UNSET, link.description)


def change_type(spelling: Spelling, field: Field, store: StoreClient) -> str:
    """Return the type of a change: a new value or an update operator."""
    plain = spelling.of(field.type, given=True)
    if field.name not in store.changes:
        return plain
    word, operand = store.changes[field.name]
    return f"{plain} | {CHANGES[word].format(of=spelling.of(operand, given=True))}"


CHANGES: dict[str, str] = {"add": "Add", "append": "Append[{of}]"}
"""Update operator → its type."""


def where_types(spelling: Spelling, store: StoreClient, described: ClientDescription) -> list[str]:
    declared: list[str] = []
    name, condition = store.type("Where"), store.type("Condition")
    members = [(one.name, comparison_type(spelling, one, f"_{name}", declared), False, None) for one in store.where]
    behind = [(one.name, described.stores[one.target].type("Where"), False, None) for one in store.links]
    notes = "A filter: all members have to match. Filters of linked items are nested."
    declared.append(typed_dict(name, [*members, *behind], notes))
    if "edit_batch" in store.operations:
        words = {"and": f"_Sequence[{condition}]", "or": f"_Sequence[{condition}]", "not": condition}
        declared.append(typed_dict(f"_{condition}", [(word, of, False, None) for word, of in words.items()]))
        about = doc("A filter with `and`, `or` and `not`, as the edits of a batch take it.")
        declared.append(f"class {condition}({name}, _{condition}):\n{about}")
    return declared


def key_type(spelling: Spelling, store: StoreClient) -> str:
    """Return the type of a key: its text, its value, or the values of its parts."""
    parts = [spelling.of(one.type) for one in store.key]
    whole = parts[0] if len(parts) == 1 else f"tuple[{', '.join(parts)}]"
    return whole if whole == "str" else f"str | {whole}"


EDITS: dict[str, Callable[[StoreClient], list[tuple[str, str, bool, str | None]]]] = {
    "create": lambda store: [],
    "update": lambda store: [
        ("key", store.type("Key"), True, None),
        ("changes", store.type("Update"), True, None),
        ("when", store.type("Condition"), store.conditional, None),
    ],
    "delete": lambda store: [
        ("key", store.type("Key"), True, None),
        ("when", store.type("Condition"), store.conditional, None),
    ],
}
"""Verb of an edit → the members of its body. A created item has its own members."""


def edit_types(store: StoreClient) -> list[str]:
    """Return the type of an edit of a batch: an object with one member, the verb."""
    declared: list[str] = []
    names: list[str] = []
    for verb in store.edits:
        body = store.type("Create")
        if members := EDITS[verb](store):
            body = f"_{store.type()}{verb.capitalize()}Body"
            declared.append(typed_dict(body, members))
        names.append(f"_{store.type()}{verb.capitalize()}Edit")
        declared.append(typed_dict(names[-1], [(verb, body, True, None)]))
    declared.append(union(store.type("Edit"), names))
    return declared


def batch_types(batch: BatchClient) -> list[str]:
    """Return the type of an edit of one of several stores: an object with one member, the store."""
    names = {store.name: f"_{store.type()}OfAnyStore" for store in batch.stores}
    declared = [typed_dict(names[store.name], [(store.name, store.type("Edit"), True, None)]) for store in batch.stores]
    return [*declared, union(batch.name, list(names.values()))]
