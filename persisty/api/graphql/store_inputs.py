"""The inputs of a store's operations: for create and update, filters, orders and the edits of a batch.

Each method defines its input and those that it needs, and returns its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...model.meta import Attribute, StoreMeta
from ...model.types import OPERATORS, SORTABLE, Kind
from ...model.value_types import is_name
from ...naming import pascal
from ...query.filter_parsing import QUERY, fields_of, has_text
from ..batch_edits import EDITS
from .append_inputs import appends
from .described_types import attribute_ref, leaf_of
from .resolvers import ASCENDING, DESCENDING, LISTED, may_give
from .result_types import ANY_STORE, link_fields
from .schema_text import Definitions, Line
from .types import BOOLEAN, LONG, STRING, Leaf, Ref

OPERATOR_INPUTS: dict[Kind, str] = {
    Kind.UUID: "ID",
    Kind.DATETIME: "DateTime",
    Kind.DATE: "Date",
    Kind.DECIMAL: "Decimal",
    Kind.BYTES: "Bytes",
    Kind.JSON: "Json",
}
"""Kind → the prefix of the name of its operators' input. For other kinds it is the name of the GraphQL type."""
ONE_OF = "Exactly one of its members."


class StoreInputs:
    """The inputs of stores. `offered`: the items that links may lead to. `refer`: defines a type for inputs and returns the text that refers to it."""

    def __init__(
        self, definitions: Definitions, offered: frozenset[StoreMeta[Any]], refer: Callable[[Ref], str]
    ) -> None:
        self._definitions, self._offered, self._refer = definitions, offered, refer
        self._defining: set[str] = set()

    def create(self, meta: StoreMeta[Any]) -> str | None:
        """Define the input of a create. None if no attribute may be set, because GraphQL has no empty input."""
        lines = [
            Line(name, self._value(meta, name) + "!" * one.required, one.description)
            for name, one in meta.attributes.items()
            if one.creatable is not False
        ]
        return (
            self._definitions.define("input", pascal(meta.name) + "Create", lines) if may_give(meta, "create") else None
        )

    def update(self, meta: StoreMeta[Any]) -> str | None:
        lines = [
            Line(name, self._value(meta, name), one.description)
            for name, one in meta.attributes.items()
            if one.updatable is not False
        ]
        lines += [
            Line(member, self._value(meta, name), f"Elements to append to {name}")
            for member, name in appends(meta).items()
        ]
        return (
            self._definitions.define("input", pascal(meta.name) + "Update", lines) if may_give(meta, "update") else None
        )

    def _value(self, meta: StoreMeta[Any], name: str) -> str:
        """Return the type of a value of an attribute, null included."""
        return self._refer(Ref(attribute_ref(meta, name).type, nullable=True))

    def where(self, meta: StoreMeta[Any]) -> str:
        name = pascal(meta.name) + "Where"
        if name in self._defining:  # links lead back to it
            return name
        self._defining.add(name)
        links = link_fields(meta, self._offered)
        lines = [
            Line("and", f"[{name}!]"),
            Line("or", f"[{name}!]"),
            Line("not", name),
            *(
                [Line(QUERY, STRING.name, "Words. Each of them occurs in a text of the item, in any case")]
                if has_text(meta)
                else []
            ),
            *(Line(one, self._asked(meta, one, attribute)) for one, attribute in _readable(meta)),
            *(Line(one, self.where(link.target)) for one, link in links.items() if link.link.kind != "has_count"),
        ]
        return self._definitions.define("input", name, lines, "All members must match.")

    def order(self, meta: StoreMeta[Any]) -> str:
        sortable = [name for name, one in _readable(meta) if one.kind in SORTABLE]
        values = [name + direction for name in sortable for direction in (ASCENDING, DESCENDING)]
        return (
            f"[{self._definitions.enum(pascal(meta.name) + 'Order', values, 'Nulls come last in both directions.')}!]"
        )

    def edits(self, meta: StoreMeta[Any]) -> str:
        return f"[{self.edit(meta)}!]"

    def edit(self, meta: StoreMeta[Any]) -> str:
        """Define the input of an edit, with one member for each verb that the access rule allows."""
        offered = [verb for verb in EDITS if meta.access is not None and meta.access.allows(verb)]
        members = [(verb, EDIT_BODIES[verb](self, meta)) for verb in offered]
        lines = [Line(verb, body) for verb, body in members if body is not None]
        if not lines:  # GraphQL has no empty input; this edit always fails with `forbidden`
            lines = [Line("delete", self.edit_delete(meta))]
        return self._definitions.define("input", pascal(meta.name) + "Edit", lines, ONE_OF)

    def edits_of(self, stores: Iterable[StoreMeta[Any]]) -> str:
        """Define the input of an edit in a batch of several stores, with one member for each store."""
        lines = [Line(meta.name, self.edit(meta)) for meta in stores]
        return f"[{self._definitions.define('input', ANY_STORE + 'Edit', lines, ONE_OF)}!]"

    def edit_update(self, meta: StoreMeta[Any]) -> str:
        changes = self.update(meta)
        lines = [Line("key", "ID!"), *([Line("changes", changes + "!")] if changes else [])]
        return self._definitions.define(
            "input", pascal(meta.name) + "EditUpdate", [*lines, Line("when", self.where(meta))]
        )

    def edit_delete(self, meta: StoreMeta[Any]) -> str:
        lines = [Line("key", "ID!"), Line("when", self.where(meta))]
        return self._definitions.define("input", pascal(meta.name) + "EditDelete", lines)

    def words(self, meta: StoreMeta[Any]) -> str | None:
        """Return the type of a search for words, None if the item has no text."""
        return STRING.name if has_text(meta) else None

    def _asked(self, meta: StoreMeta[Any], name: str, attribute: Attribute) -> str:
        """Return the input type for filters of an attribute: its operators, and its fields if it is an object with fields.

        Fields whose names GraphQL does not accept have no filter."""
        fields = {field: one for field, one in fields_of(meta, name).items() if is_name(field)}
        if not fields:
            return self._operators(attribute.kind, leaf_of(attribute))
        lines = {"null": Line("null", BOOLEAN.name)} | {
            field: Line(field, self._asked(meta, f"{name}.{field}", one)) for field, one in fields.items()
        }
        steps = "_".join(pascal(step) for step in name.split("."))
        return self._definitions.define("input", f"{pascal(meta.name)}Where{steps}", lines.values())

    def _operators(self, kind: Kind, leaf: Leaf) -> str:
        """Define the input with the operators of a kind. Attributes of the same kind and type share it."""
        own = OPERATOR_INPUTS.get(kind) or ("Long" if leaf is LONG else leaf.name)
        if kind is Kind.ENUM and not leaf.values:
            own = f"{own}Enum"
        value = self._definitions.leaf(leaf)
        types = {name: f"[{value}]" if name in LISTED else value for name, kinds in OPERATORS.items() if kind in kinds}
        lines = [Line(name, "Boolean" if name == "null" else type_) for name, type_ in types.items()]
        return self._definitions.define("input", own + "Operators", lines)


def _readable(meta: StoreMeta[Any]) -> list[tuple[str, Attribute]]:
    """Return the attributes that some caller may read."""
    return [(name, one) for name, one in meta.attributes.items() if one.readable is not False]


def _of(name: str) -> Callable[[StoreInputs, StoreMeta[Any]], str]:
    return lambda schema, meta: name


PARAMETERS: dict[Any, Callable[[StoreInputs, StoreMeta[Any]], str | None]] = {
    "key": _of("ID"),
    "keys": _of("[ID!]"),
    "create": StoreInputs.create,
    "update": StoreInputs.update,
    "where": StoreInputs.where,
    "text": StoreInputs.words,
    "order": StoreInputs.order,
    "limit": _of("Int"),
    "edits": StoreInputs.edits,
}
"""Shape of a store's parameter → function that defines its type and returns the name."""

EDIT_BODIES: dict[str, Callable[[StoreInputs, StoreMeta[Any]], str | None]] = {
    "create": StoreInputs.create,
    "update": StoreInputs.edit_update,
    "delete": StoreInputs.edit_delete,
}
"""Verb of an edit → function that defines the type of its body and returns the name."""
