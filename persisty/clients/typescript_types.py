"""The types of a TypeScript client: how each is spelled, and what is declared of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from .description import Asked, ClientDescription, StoreClient
from .types import INPUT, Choice, Field, Listed, Mapped, Named, Of, Paged, Record, Scalar, Tupled, Type, United

SCALARS: dict[Of, str] = {
    Of.STRING: "string",
    Of.INTEGER: "number",
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
"""Scalar → what it is in TypeScript: text has a name that says what it spells."""
OPERANDS: dict[str, str] = {"oneof": "readonly {of}[]", "null": "boolean"}
"""Operator → what it compares with, where that is not what the attribute has."""
CHANGES: dict[str, str] = {"add": "Add", "append": "Append<{of}>"}
"""What may be done to a value → its type."""
WIDTH = 120


class Spelling:
    """How types are spelled in a file."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.loose = _loose(records)

    def of(self, of: Type, *, given: bool = False) -> str:
        """The type; `given`: of what a caller gives."""
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
    """The records of which less has to be given than is answered, in themselves or in what they hold."""
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
    """A comment, if there is anything to say."""
    if not text or not text.strip():
        return ""
    lines = cleandoc(text).replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


def one_of(values: Iterable[str]) -> str:
    """A union, on one line if it fits there."""
    listed = list(values)
    line = " | ".join(listed) or "never"
    return line if len(line) <= WIDTH - 40 else "\n  | " + "\n  | ".join(listed)


def alias(name: str, values: Iterable[str]) -> str:
    union = one_of(values)
    return f"export type {name} ={'' if union.startswith(chr(10)) else ' '}{union};\n"


def interface(name: str, lines: Iterable[tuple[str, str, bool, str | None]], description: str | None = None) -> str:
    """An interface of (name, type, whether it may be absent, description)."""
    body = "".join(
        f"{doc(told, '  ')}  {member(one)}{'?' if absent else ''}: {of};\n" for one, of, absent, told in lines
    )
    return f"{doc(description)}export interface {name} {{\n{body}}}\n"


def record(spelling: Spelling, one: Record, *, given: bool = False) -> str:
    """A nested object, as it is answered or as it may be given."""
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
    """Each record, and as it may be given where that is something else."""
    return [
        record(spelling, one, given=given)
        for one in every
        for given in (False, True)
        if not given or one.name in spelling.loose
    ]


def operators(name: str, listed: Sequence[str]) -> str:
    """A group of operators: generic where they compare with what the attribute has."""
    of = {"TextOperators": "string", "NullOperators": ""}.get(name, "Value")
    lines = [(one, OPERANDS.get(one, "{of}").format(of=of), True, None) for one in listed]
    return interface(name + ("<Value>" if of == "Value" else ""), lines)


def asked_type(spelling: Spelling, one: Asked) -> str:
    """The type of what a filter asks of an attribute."""
    applied = one.operators
    if one.operand is not None and one.operators != "TextOperators":
        applied = f"{one.operators}<{spelling.of(one.operand)}>"
    if not one.below:
        return applied
    members = [f"{member(inner.name)}?: {asked_type(spelling, inner)}" for inner in one.below]
    if all(inner.name != "null" for inner in one.below):
        members.append("null?: boolean")
    return f"{{ {'; '.join(members)} }}"


def key_type(spelling: Spelling, store: StoreClient) -> str:
    """The key as it is spelled, or its value, or those of its parts."""
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
    """The declarations of one store."""
    item = [(f.name, spelling.of(f.type), not f.always, f.description) for f in store.item]
    declared = [interface(store.type(), item, store.description)]
    behind = [
        (one.name, _behind(one.kind, described.stores[one.target]), False, one.description) for one in store.links
    ]
    declared.append(interface(store.type("Links"), behind, f"What is behind the links of {store.type()}."))
    if "create" in store.edits:
        lines = [(f.name, spelling.of(f.type, given=True), not f.required, f.description) for f in store.create]
        declared.append(interface(store.type("Create"), lines, f"What may be given of a new {store.type()}."))
    if "update" in store.edits:
        lines = [(f.name, _change(spelling, f, store), True, f.description) for f in store.update]
        told = f"What may be changed of {store.type()}; what is left out stays as it is."
        declared.append(interface(store.type("Update"), lines, told))
    asked = [(one.name, asked_type(spelling, one), True, None) for one in store.where]
    led = [(one.name, described.stores[one.target].type("Where"), True, None) for one in store.links]
    told = "A filter: all that is said has to hold; what is behind a link is asked of as it is there."
    declared.append(interface(store.type("Where"), [*asked, *led], told))
    declared.append(alias(store.type("Order"), map(literal, store.orders)))
    declared.append(alias(store.type("Field"), map(literal, store.fields)))
    declared.append(alias(store.type("Include"), map(literal, store.includes)))
    declared.append(alias(store.type("Key"), [key_type(spelling, store)]))
    if "edit_batch" in store.operations:
        declared.append(_condition(store))
        declared.append(alias(store.type("Edit"), [f"{{ {verb}: {EDITS[verb](store)} }}" for verb in store.edits]))
    return declared


LINKED: dict[str, str] = {"has_many": "Page<{of}>", "has_count": "number"}
"""Kind of link → what is there, where that is not one item or none."""


def _behind(kind: str, target: StoreClient) -> str:
    return LINKED.get(kind, "{of} | null").format(of=f"Linked<{target.type()}, {target.type('Links')}>")


def _change(spelling: Spelling, field: Field, store: StoreClient) -> str:
    """A new value, or what is done to the one that is stored."""
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
