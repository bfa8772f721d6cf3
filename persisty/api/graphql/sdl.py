"""The schema text, from the operations: one schema for the hosted endpoint and for AppSync.

AppSync differs in what its parser takes, not in any type: it brings the AWS scalars and takes them for duplicates when they
are declared; descriptions are `#` comments there (its parser has not always known the quoted ones), and none stands beside
an argument or an enum value, where a comment with the word null has failed. Defaults of arguments are told in words only:
AppSync does not hand declared ones to a resolver, the operations supply their own.

Building fails with `InvalidDeclaration` that lists every clash of names and every name that GraphQL does not take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ...errors import Fault, InvalidDeclaration
from ...model.meta import Attribute, StoreMeta
from ...model.types import OPERATORS, SORTABLE, Kind
from ...naming import pascal
from ...query.filter_parsing import QUERY, fields_of, has_text
from ..batch_edits import EDITS
from ..operations import Operation, Parameter, StoreOperation
from .links import parameters_of
from .resolvers import ASCENDING, DESCENDING, LISTED, may_give
from .result_types import RESULTS, LinkField, link_fields, offered_in, result_ref
from .subscriptions import Subscription
from .types import (
    ANY,
    AWS_SCALARS,
    BOOLEAN,
    LONG,
    STRING,
    Field,
    Leaf,
    ListOf,
    Record,
    Ref,
    annotation_ref,
    is_name,
    leaf_of,
)

BUILT_IN = frozenset({"String", "Int", "Float", "Boolean", "ID", "Query", "Mutation", "Subscription"})
OPERATOR_INPUTS: dict[Kind, str] = {
    Kind.UUID: "ID",
    Kind.DATETIME: "DateTime",
    Kind.DATE: "Date",
    Kind.DECIMAL: "Decimal",
    Kind.BYTES: "Bytes",
    Kind.JSON: "Json",
}
"""Kind → the beginning of the name of its operators' input; for other kinds it is the GraphQL type's name."""


NAMES = "other names of the classes, or @stored(name=…)"


class Directives(Struct, frozen=True):
    """Directives behind the names of root fields, of object types, and of links, by type and field."""

    roots: Mapping[str, tuple[str, ...]] = {}
    types: Mapping[str, tuple[str, ...]] = {}
    links: Mapping[tuple[str, str], tuple[str, ...]] = {}


NO_DIRECTIVES = Directives()


def sdl(
    operations: Iterable[Operation],
    *,
    appsync: bool = False,
    directives: Directives = NO_DIRECTIVES,
    subscriptions: Iterable[Subscription] = (),
    offered: frozenset[StoreMeta[Any]] | None = None,
) -> str:
    """Return the schema of these operations and subscriptions in GraphQL's schema language.

    `offered`: the items that links may lead to. Without it, those that the operations read.
    """
    known = tuple(operations)
    return _Schema(appsync, directives, offered_in(known) if offered is None else offered).text(
        known, tuple(subscriptions)
    )


class _Line(Struct, frozen=True):
    """A field, an argument or an input field: `name: type`, arguments in parentheses, directives behind it."""

    name: str
    type: str
    description: str | None = None
    arguments: tuple[_Line, ...] = ()
    directives: tuple[str, ...] = ()


class _Schema:
    """The types defined so far, by name, and what is wrong with them."""

    def __init__(self, appsync: bool, directives: Directives, offered: frozenset[StoreMeta[Any]]) -> None:
        self._appsync, self._directives, self._offered = appsync, directives, offered
        self._types: dict[str, str] = {}
        self._begun: set[tuple[Record, bool]] = set()
        self._asking: set[str] = set()
        self._faults: list[Fault] = []

    def text(self, operations: Sequence[Operation], subscriptions: Sequence[Subscription]) -> str:
        fields = [(operation, self._root_field(operation)) for operation in operations]
        followed = [(one, self._subscription(one)) for one in subscriptions]
        publishers = [(one, self._publisher(one)) for one in subscriptions if self._appsync]
        others = [(line.name, one.name) for one, line in (*followed, *publishers)]
        self._check_unique([*((line.name, one.name) for one, line in fields), *others])
        lines = {
            "Query": [line for operation, line in fields if not operation.mutation],
            "Mutation": [line for operation, line in fields if operation.mutation] + [line for _, line in publishers],
            "Subscription": [line for _, line in followed],
        }
        if not lines["Query"]:  # GraphQL has no schema without a query
            lines["Query"] = [_Line("nothing", "Boolean", "This app offers no queries")]
        roots = [self._body("type", name, some) for name, some in lines.items() if some]
        if self._faults:
            raise InvalidDeclaration("The operations do not fit into one GraphQL schema", faults=self._faults)
        scalars = [] if self._appsync else [self._described(f"scalar {n}", d) for n, d in AWS_SCALARS.items()]
        entry = "\n".join(["schema {", *(f"  {name.lower()}: {name}" for name, some in lines.items() if some), "}"])
        return "\n\n".join([entry, *scalars, *roots, *(self._types[name] for name in sorted(self._types))]) + "\n"

    # fields

    def _root_field(self, operation: Operation) -> _Line:
        self._check_name(operation.field, f"/{operation.name}")
        result = self._reference(result_ref(operation))
        arguments = self._root_arguments(operation)
        marks = self._directives.roots.get(operation.field, ())
        return _Line(operation.field, result, operation.description, arguments, marks)

    def _subscription(self, one: Subscription) -> _Line:
        self._check_name(one.field, f"/{one.name}")
        where = _Line("where", self.where(one.meta))
        marks = self._directives.roots.get(one.field, ())
        return _Line(one.field, self._reference(RESULTS["item"](one.meta)), one.description, (where,), marks)

    def _publisher(self, one: Subscription) -> _Line:
        """The mutation that a subscription on AppSync follows: it gives back the item that it is given."""
        marks = self._directives.roots.get(one.publisher, ())
        item = _Line("item", ANY.name + "!")
        return _Line(one.publisher, self._reference(RESULTS["item"](one.meta)), None, (item,), marks)

    def _link(self, owner: str, name: str, link: LinkField) -> _Line:
        arguments = self._store_arguments(link.target, parameters_of(link), name)
        marks = self._directives.links.get((owner, name), ())
        return _Line(name, self._reference(link.ref), link.link.description, arguments, marks)

    def _root_arguments(self, operation: Operation) -> tuple[_Line, ...]:
        if isinstance(operation, StoreOperation):
            return self._store_arguments(operation.meta, operation.parameters, operation.name)
        return tuple(self._annotated(parameter, operation.name) for parameter in operation.parameters)

    def _store_arguments(self, meta: StoreMeta[Any], parameters: Iterable[Parameter], owner: str) -> tuple[_Line, ...]:
        found: list[_Line] = []
        for parameter in parameters:
            if parameter.shape not in PARAMETERS:
                found.append(self._annotated(parameter, owner))
            elif (name := PARAMETERS[parameter.shape](self, meta)) is not None:
                found.append(self._argument(parameter, name, parameter.required, owner))
        return tuple(found)

    def _annotated(self, parameter: Parameter, owner: str) -> _Line:
        """The argument for a parameter whose shape is an annotation."""
        ref = annotation_ref(parameter.shape)
        name = self._reference(Ref(ref.type, True), given=True)
        return self._argument(parameter, name, parameter.required and not ref.nullable, owner)

    def _argument(self, parameter: Parameter, name: str, required: bool, owner: str) -> _Line:
        self._check_name(parameter.name, f"/{owner}/{parameter.name}")
        return _Line(parameter.name, name + "!" * required, _with_default(parameter))

    # types of stores

    def create(self, meta: StoreMeta[Any]) -> str | None:
        """The attributes a caller may give; None where there are none: GraphQL has no empty input."""
        lines = [
            _Line(name, self._leaf(leaf_of(one)) + "!" * one.required, one.description)
            for name, one in meta.attributes.items()
            if one.creatable is not False
        ]
        return self._define("input", pascal(meta.name) + "Create", lines) if may_give(meta, "create") else None

    def update(self, meta: StoreMeta[Any]) -> str | None:
        lines = [
            _Line(name, self._leaf(leaf_of(one)), one.description)
            for name, one in meta.attributes.items()
            if one.updatable is not False
        ]
        return self._define("input", pascal(meta.name) + "Update", lines) if may_give(meta, "update") else None

    def where(self, meta: StoreMeta[Any]) -> str:
        name = pascal(meta.name) + "Where"
        if name in self._asking:  # it leads to itself
            return name
        self._asking.add(name)
        links = link_fields(meta, self._offered)
        lines = [
            _Line("and", f"[{name}!]"),
            _Line("or", f"[{name}!]"),
            _Line("not", name),
            *([_Line(QUERY, STRING.name, "Words, each of which some text mentions")] if has_text(meta) else []),
            *(_Line(one, self._asked(meta, one, attribute)) for one, attribute in _readable(meta)),
            *(_Line(one, self.where(link.target)) for one, link in links.items() if link.link.kind != "has_count"),
        ]
        return self._define("input", name, lines, "What stands beside each other is joined by and.")

    def order(self, meta: StoreMeta[Any]) -> str:
        sortable = [name for name, one in _readable(meta) if one.kind in SORTABLE]
        values = [name + direction for name in sortable for direction in (ASCENDING, DESCENDING)]
        return f"[{self._enum(pascal(meta.name) + 'Order', values, 'Nulls come last in both directions.')}!]"

    def edits(self, meta: StoreMeta[Any]) -> str:
        """One member for each verb that the access rule allows."""
        offered = [verb for verb in EDITS if meta.access is not None and meta.access.allows(verb)]
        members = [(verb, EDIT_BODIES[verb](self, meta)) for verb in offered]
        lines = [_Line(verb, body) for verb, body in members if body is not None]
        if not lines:  # GraphQL has no empty input; this edit answers `forbidden`
            lines = [_Line("delete", self.edit_delete(meta))]
        return f"[{self._define('input', pascal(meta.name) + 'Edit', lines, 'Exactly one of its members.')}!]"

    def edit_update(self, meta: StoreMeta[Any]) -> str:
        changes = self.update(meta)
        lines = [_Line("key", "ID!"), *([_Line("changes", changes + "!")] if changes else [])]
        return self._define("input", pascal(meta.name) + "EditUpdate", [*lines, _Line("when", self.where(meta))])

    def edit_delete(self, meta: StoreMeta[Any]) -> str:
        lines = [_Line("key", "ID!"), _Line("when", self.where(meta))]
        return self._define("input", pascal(meta.name) + "EditDelete", lines)

    def words(self, meta: StoreMeta[Any]) -> str | None:
        """The words of a search; None where there is no text to look through."""
        return STRING.name if has_text(meta) else None

    def _asked(self, meta: StoreMeta[Any], name: str, attribute: Attribute) -> str:
        """Return the input type for filters of an attribute: its operators, and its fields if it is an object with fields.

        Fields that GraphQL has no name for cannot be asked here."""
        fields = {field: one for field, one in fields_of(meta, name).items() if is_name(field)}
        if not fields:
            return self._operators(attribute.kind, leaf_of(attribute))
        lines = {"null": _Line("null", BOOLEAN.name)} | {
            field: _Line(field, self._asked(meta, f"{name}.{field}", one)) for field, one in fields.items()
        }
        steps = "_".join(pascal(step) for step in name.split("."))
        return self._define("input", f"{pascal(meta.name)}Where{steps}", lines.values())

    def _operators(self, kind: Kind, leaf: Leaf) -> str:
        """The input that holds the operators of a kind; attributes of one kind and type share it."""
        own = OPERATOR_INPUTS.get(kind) or ("Long" if leaf is LONG else leaf.name)
        if kind is Kind.ENUM and not leaf.values:
            own = f"{own}Enum"
        value = self._leaf(leaf)
        types = {name: f"[{value}]" if name in LISTED else value for name, kinds in OPERATORS.items() if kind in kinds}
        lines = [_Line(name, "Boolean" if name == "null" else type_) for name, type_ in types.items()]
        return self._define("input", own + "Operators", lines)

    # types in general

    def _reference(self, ref: Ref, *, given: bool = False) -> str:
        """The spelling of a type in its place; what it needs is defined on the way."""
        match ref.type:
            case Leaf() as leaf:
                name = self._leaf(leaf)
            case ListOf(item):
                name = f"[{self._reference(item, given=given)}]"
            case Record() as record:
                name = self._record(record, given=given)
        return name if (ref if given else ref.answered).nullable else name + "!"

    def _leaf(self, leaf: Leaf) -> str:
        return self._enum(leaf.name, leaf.values, leaf.description) if leaf.values else leaf.name

    def _enum(self, name: str, values: Sequence[str], description: str | None) -> str:
        return self._enter(name, "\n".join([f"enum {name} {{", *(f"  {value}" for value in values), "}"]), description)

    def _record(self, record: Record, *, given: bool) -> str:
        name = record.name + "Input" * given
        if (record, given) in self._begun:  # it contains itself
            return name
        self._begun.add((record, given))
        lines = [self._member(field, given=given) for field in record.fields if given or field.readable is not False]
        if record.meta is not None and not given:
            lines += [
                self._link(record.name, name, link) for name, link in link_fields(record.meta, self._offered).items()
            ]
        return self._define("input" if given else "type", name, lines, record.description)

    def _member(self, field: Field, *, given: bool) -> _Line:
        ref = Ref(field.ref.type, field.ref.nullable or not field.required) if given else field.answered
        return _Line(field.name, self._reference(ref, given=given), field.description)

    def _define(self, keyword: str, name: str, lines: Iterable[_Line], description: str | None = None) -> str:
        return self._enter(name, self._body(keyword, name, lines), description)

    def _enter(self, name: str, body: str, description: str | None) -> str:
        """Keep a definition. Two that are equal are one; two that differ are a clash."""
        text = self._described(body, description)
        if self._types.setdefault(name, text) != text or name in BUILT_IN:
            self._fault(f"/{name}", "Two different types have this name in GraphQL", expected=NAMES)
        elif name.startswith("AWS"):
            self._fault(f"/{name}", "Names that begin with AWS belong to AppSync")
        self._check_name(name, f"/{name}")
        return name

    def _body(self, keyword: str, name: str, lines: Iterable[_Line]) -> str:
        rows = list(lines)
        for line in rows:
            self._check_name(line.name, f"/{name}/{line.name}")
        head = " ".join([keyword, name, *(self._directives.types.get(name, ()) if keyword == "type" else ())])
        return "\n".join([f"{head} {{", *(row for line in rows for row in self._rows(line)), "}"])

    def _rows(self, line: _Line) -> Iterator[str]:
        yield from self._comment(line.description, "  ")
        type_ = " ".join([line.type, *line.directives])
        if not line.arguments:
            yield f"  {line.name}: {type_}"
        elif self._appsync or not any(argument.description for argument in line.arguments):
            arguments = ", ".join(f"{argument.name}: {argument.type}" for argument in line.arguments)
            yield f"  {line.name}({arguments}): {type_}"
        else:
            yield f"  {line.name}("
            for argument in line.arguments:
                yield from self._comment(argument.description, "    ")
                yield f"    {argument.name}: {argument.type}"
            yield f"  ): {type_}"

    def _described(self, body: str, description: str | None) -> str:
        return "\n".join([*self._comment(description, ""), body])

    def _comment(self, description: str | None, indent: str) -> Iterator[str]:
        text = "".join(one for one in description or "" if one.isprintable() or one == "\n").strip()
        if text:
            rows = [f"# {row}".rstrip() for row in text.split("\n")]
            if not self._appsync:
                rows = _quoted(text)
            yield from (indent + row if row else "" for row in rows)

    # faults

    def _check_name(self, name: str, path: str) -> None:
        if not is_name(name):
            self._fault(path, "GraphQL does not take this as a name", name)

    def _check_unique(self, fields: Sequence[tuple[str, str]]) -> None:
        """Over all roots together: AppSync's function is told a field's name only."""
        count = Counter(name for name, _ in fields)
        for name, operation in fields:
            if count[name] > 1:
                self._fault(f"/{operation}", "Another operation has the same name in GraphQL", name)

    def _fault(self, path: str, message: str, found: str | None = None, expected: str | None = None) -> None:
        fault = Fault(path, message, expected, found)
        if fault not in self._faults:
            self._faults.append(fault)


def _quoted(text: str) -> list[str]:
    """A description as GraphQL's block string, on one line where it can be."""
    safe = text.replace('"""', '\\"""')
    if "\n" in safe or safe[-1] in '"\\':
        return ['"""', *safe.split("\n"), '"""']
    return [f'"""{safe}"""']


def _with_default(parameter: Parameter) -> str | None:
    """The description, with the default in words."""
    if parameter.default is None:
        return parameter.description
    default = f"Default: {msgspec.json.encode(parameter.default).decode()}"
    return f"{parameter.description}. {default}" if parameter.description else default


def _readable(meta: StoreMeta[Any]) -> list[tuple[str, Attribute]]:
    """The attributes that there is anybody to read."""
    return [(name, one) for name, one in meta.attributes.items() if one.readable is not False]


def _of(name: str) -> Callable[[_Schema, StoreMeta[Any]], str]:
    return lambda schema, meta: name


PARAMETERS: dict[Any, Callable[[_Schema, StoreMeta[Any]], str | None]] = {
    "key": _of("ID"),
    "keys": _of("[ID!]"),
    "create": _Schema.create,
    "update": _Schema.update,
    "where": _Schema.where,
    "text": _Schema.words,
    "order": _Schema.order,
    "limit": _of("Int"),
    "edits": _Schema.edits,
}
"""Shape of a store's parameter → its type, defined on the way."""

EDIT_BODIES: dict[str, Callable[[_Schema, StoreMeta[Any]], str | None]] = {
    "create": _Schema.create,
    "update": _Schema.edit_update,
    "delete": _Schema.edit_delete,
}
"""Verb of an edit → the type of its body."""
