"""The types of a TypeScript client: their annotations and declarations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from .description import ClientDescription, Comparison, StoreClient
from .types import INPUT, Choice, Field, Listed, Mapped, Named, Of, Paged, Record, Scalar, Tupled, Type, United

SCALARS: dict[Of, str] = {
    Of.STRING: "string",
    Of.INTEGER: "number",
    Of.LONG: "number | bigint",
    Of.FLOAT: "number",
    Of.BOOLEAN: "boolean",
    Of.NULL: "null",
    Of.ANY: "unknown",
    Of.DATETIME: "DateTime",
    Of.DATE: "DateOnly",
    Of.TIME: "TimeOfDay",
    Of.DURATION: "Duration",
    Of.UUID: "UUID",
    Of.DECIMAL: "Decimal",
    Of.BYTES: "Bytes",
}
"""Scalar → its TypeScript type. Texts have a named type for their format."""
OPERANDS: dict[str, str] = {"oneof": "readonly {of}[]", "null": "boolean"}
"""Operator → the type of its operand, if it differs from the attribute's."""
CHANGES: dict[str, str] = {"add": "Add", "append": "Append<{of}>"}
"""Update operator → its type."""
WIDTH = 120


class Spelling:
    """The annotations of types in a file."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.loose = _loose(records)

    def of(self, of: Type, *, given: bool = False) -> str:
        """Return the annotation of a type. `given`: the type of an input."""
        readonly = "readonly " if given else ""
        match of:
            case Scalar(of=one):
                return SCALARS[one]
            case Choice(values=values):
                return " | ".join(map(literal, values))
            case Listed(item=item):
                return f"{readonly}{grouped(self.of(item, given=given))}[]"
            case Tupled(items=items):
                return f"{readonly}[{', '.join(self.of(one, given=given) for one in items)}]"
            case Mapped(value=value):
                inner = f"Record<string, {self.of(value, given=given)}>"
                return f"Readonly<{inner}>" if given else inner
            case Paged(item=item):
                return f"Page<{self.of(item)}>"
            case Named(name=name):
                return name + INPUT if given and name in self.loose else name
            case United(arms=arms):
                return " | ".join(self.of(one, given=given) for one in arms)


def grouped(text: str) -> str:
    return f"({text})" if " " in text else text


def _loose(records: Sequence[Record]) -> frozenset[str]:
    """Return the records whose input type has more optional members than their output type, also in nested records."""
    found = {one.name for one in records if any(f.always and not f.required for f in one.fields)}
    held = {one.name: {name for f in one.fields for name in _named(f.type)} for one in records}
    while more := {name for name, inner in held.items() if name not in found and inner & found}:
        found |= more
    return frozenset(found)


def _named(of: Type) -> Iterable[str]:
    match of:
        case Named(name=name):
            yield name
        case Listed(item=item) | Paged(item=item) | Mapped(value=item):
            yield from _named(item)
        case Tupled(items=items) | United(arms=items):
            for one in items:
                yield from _named(one)


def literal(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def member(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII) else literal(name)


def doc(text: str | None, indent: str = "") -> str:
    """Return a comment, empty for an empty text."""
    if not text or not text.strip():
        return ""
    lines = cleandoc(text).replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


def one_of(values: Iterable[str]) -> str:
    """Return a union, on one line if it fits."""
    listed = list(values)
    line = " | ".join(listed) or "never"
    return line if len(line) <= WIDTH - 40 else "\n  | " + "\n  | ".join(listed)


def alias(name: str, values: Iterable[str]) -> str:
    union = one_of(values)
    return f"export type {name} ={'' if union.startswith(chr(10)) else ' '}{union};\n"


def interface(name: str, lines: Iterable[tuple[str, str, bool, str | None]], description: str | None = None) -> str:
    """Return an interface with members of (name, type, may be absent, description)."""
    body = "".join(
        f"{doc(notes, '  ')}  {member(one)}{'?' if absent else ''}: {of};\n" for one, of, absent, notes in lines
    )
    return f"{doc(description)}export interface {name} {{\n{body}}}\n"


def record(spelling: Spelling, one: Record, *, given: bool = False) -> str:
    """Return the interface of a nested object, for output or input."""
    name = one.name + INPUT * given
    tag = [(one.tag[0], literal(one.tag[1]), False, None)] if one.tag else []
    lines = [(f.name, spelling.of(f.type, given=given), _absent(f, given), f.description) for f in one.fields]
    if one.array:
        first = [of for _, of, _, _ in tag]
        inner = ", ".join([*first, *(f"{of}?" if absent and " " not in of else of for _, of, absent, _ in lines)])
        return f"{doc(one.description)}export type {name} = {'readonly ' * given}[{inner}];\n"
    return interface(name, [*tag, *lines], one.description)


def _absent(field: Field, given: bool) -> bool:
    return not field.required if given else not field.always


def records(spelling: Spelling, every: Sequence[Record]) -> list[str]:
    """Return the interface of each record, and its input type if that differs."""
    return [
        record(spelling, one, given=given)
        for one in every
        for given in (False, True)
        if not given or one.name in spelling.loose
    ]


def operators(name: str, listed: Sequence[str]) -> str:
    """Return the interface of a group of operators. It is generic if operands have the attribute's type."""
    of = {"TextOperators": "string", "NullOperators": ""}.get(name, "Value")
    lines = [(one, OPERANDS.get(one, "{of}").format(of=of), True, None) for one in listed]
    return interface(name + ("<Value>" if of == "Value" else ""), lines)


def comparison_type(spelling: Spelling, one: Comparison) -> str:
    """Return the type of an attribute in a filter."""
    applied = one.operators
    if one.operand is not None and one.operators != "TextOperators":
        applied = f"{one.operators}<{spelling.of(one.operand)}>"
    if not one.below:
        return applied
    members = [f"{member(inner.name)}?: {comparison_type(spelling, inner)}" for inner in one.below]
    if all(inner.name != "null" for inner in one.below):
        members.append("null?: boolean")
    return f"{{ {'; '.join(members)} }}"


def key_type(spelling: Spelling, store: StoreClient) -> str:
    """Return the type of a key: its text, its value, or the values of its parts."""
    parts = [spelling.of(one.type) for one in store.key]
    whole = parts[0] if len(parts) == 1 else f"readonly [{', '.join(parts)}]"
    return whole if whole == "string" else f"string | {whole}"


def _when(store: StoreClient) -> str:
    return f"when{'' if store.conditional else '?'}: {store.type('Condition')}"


EDITS: dict[str, Callable[[StoreClient], str]] = {
    "create": lambda store: store.type("Create"),
    "update": lambda store: f"{{ key: {store.type('Key')}; changes: {store.type('Update')}; {_when(store)} }}",
    "delete": lambda store: f"{{ key: {store.type('Key')}; {_when(store)} }}",
}
"""Verb of an edit → its body."""


def store_types(spelling: Spelling, store: StoreClient, described: ClientDescription) -> list[str]:
    """Return the declarations of one store."""
    item = [(f.name, spelling.of(f.type), not f.always, f.description) for f in store.item]
    declared = [interface(store.type(), item, store.description)]
    behind = [
        (one.name, _linked_type(one.kind, described.stores[one.target]), False, one.description) for one in store.links
    ]
    declared.append(
        interface(store.type("Links"), behind, f"The links of {store.type()}, with the types of the linked items.")
    )
    if "create" in store.edits:
        lines = [(f.name, spelling.of(f.type, given=True), not f.required, f.description) for f in store.create]
        declared.append(interface(store.type("Create"), lines, f"The attributes of a new {store.type()}."))
    if "update" in store.edits:
        lines = [(f.name, _change(spelling, f, store), True, f.description) for f in store.update]
        notes = f"Changes of {store.type()}. Attributes that are left out do not change."
        declared.append(interface(store.type("Update"), lines, notes))
    asked = [(one.name, comparison_type(spelling, one), True, None) for one in store.where]
    led = [(one.name, described.stores[one.target].type("Where"), True, None) for one in store.links]
    notes = "A filter: all members have to match. Filters of linked items are nested."
    declared.append(interface(store.type("Where"), [*asked, *led], notes))
    declared.append(alias(store.type("Order"), map(literal, store.orders)))
    declared.append(alias(store.type("Field"), map(literal, store.fields)))
    declared.append(alias(store.type("Include"), map(literal, store.includes)))
    declared.append(alias(store.type("Key"), [key_type(spelling, store)]))
    if "edit_batch" in store.operations:
        declared.append(_condition(store))
        declared.append(alias(store.type("Edit"), [f"{{ {verb}: {EDITS[verb](store)} }}" for verb in store.edits]))
    return declared


LINKED: dict[str, str] = {"has_many": "Page<{of}>", "has_count": "number"}
"""Kind of link → its type, if that is not one item or null."""


def _linked_type(kind: str, target: StoreClient) -> str:
    return LINKED.get(kind, "{of} | null").format(of=f"Linked<{target.type()}, {target.type('Links')}>")


def _change(spelling: Spelling, field: Field, store: StoreClient) -> str:
    """Return the type of a change: a new value or an update operator."""
    plain = spelling.of(field.type, given=True)
    if field.name not in store.changes:
        return plain
    word, operand = store.changes[field.name]
    return f"{plain} | {CHANGES[word].format(of=spelling.of(operand, given=True))}"


def _condition(store: StoreClient) -> str:
    name = store.type("Condition")
    about = doc("A filter with `and`, `or` and `not`, as the edits of a batch take it.")
    body = f"  and?: readonly {name}[];\n  or?: readonly {name}[];\n  not?: {name};\n"
    return f"{about}export interface {name} extends {store.type('Where')} {{\n{body}}}\n"
