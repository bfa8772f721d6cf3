"""The description of a client, as plain data computed from an app's operations. Each language has a writer that turns it into code.

It contains only what the app serves: the verbs of a store that some caller may use, and the attributes of an item that some caller may read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET, Struct

from ..api.actions import operations
from ..api.batch_edits import EDITS
from ..api.graphql.described_types import leaf_of
from ..api.graphql.types import LONG
from ..api.openapi import access
from ..api.operations import ActionOperation, MultiStoreOperation, StoreOperation
from ..api.query_arguments import Form, form_of
from ..api.rest.include import MAX_LEVELS
from ..application import App
from ..errors import all_errors
from ..model.meta import Attribute, Link, StoreMeta
from ..model.types import OPERATORS, Kind
from ..model.update_operators import change_word
from ..naming import pascal
from ..query.filter_parsing import fields_of, has_text
from .types import INTEGER as WHOLE
from .types import Field, Listed, Named, Names, Of, Paged, Record, Scalar, Type, Types, nullable

MAX_PATHS = 60
"""The most paths of links in a client. If there are more, the deepest are left out."""

OPERATORS_OF: dict[Kind, str] = {
    Kind.STRING: "TextOperators",
    Kind.INTEGER: "OrderedOperators",
    Kind.ENUM: "EqualOperators",
    Kind.JSON: "NullOperators",
}
"""Kind → name of its group of operators. Kinds with the same operators share a group."""

PARTS: tuple[str, ...] = (
    "", "Partial", "Create", "Update", "Where", "Condition", "Order", "Links", "Include", "Field", "Key", "Edit", "Store",
)  # fmt: skip
"""Suffixes of the types of a store, after the name of its item."""


class Comparison(Struct, frozen=True):
    """The comparisons of an attribute in a filter: `operators` with an `operand`, and those of an object's members (`below`)."""

    name: str
    operators: str
    operand: Type | None = None
    below: tuple[Comparison, ...] = ()


class LinkField(Struct, frozen=True):
    """A link. `type`: the type of the linked items in the item. `target`: the store that it leads to."""

    name: str
    kind: str
    target: str
    type: Type
    description: str | None = None


class StoreClient(Struct, frozen=True):
    """The methods and types of a store.

    `names`: the name of each of `PARTS`. `operations`: by verb. `changes`: attribute → word and operand of its update operator. `edits`: the verbs of
    a batch. `whole`: a caller that writes an item may read all of it. `text`: it has text to search. `conditional`: writes need a condition.
    """

    name: str
    names: Mapping[str, str]
    operations: Mapping[str, StoreOperation]
    key: tuple[Field, ...]
    item: tuple[Field, ...]
    create: tuple[Field, ...]
    update: tuple[Field, ...]
    changes: Mapping[str, tuple[str, Type]]
    where: tuple[Comparison, ...]
    orders: tuple[str, ...]
    links: tuple[LinkField, ...]
    includes: tuple[str, ...]
    fields: tuple[str, ...]
    edits: tuple[str, ...]
    whole: bool
    text: bool
    conditional: bool
    description: str | None = None

    def type(self, part: str = "") -> str:
        return self.names[part]


class ActionClient(Struct, frozen=True):
    """A custom action. `body`: its arguments are sent in the body, not in the URL. `json`: those in the URL that are JSON."""

    operation: ActionOperation
    parameters: tuple[Field, ...]
    result: Type
    body: bool
    json: tuple[str, ...] = ()


class BatchClient(Struct, frozen=True):
    """The batch of several stores. `name`: the type of its edits. `stores`: those that it edits."""

    operation: MultiStoreOperation
    name: str
    stores: tuple[StoreClient, ...]


class ClientDescription(Struct, frozen=True):
    """The description of a client.

    `name`: the name of its class. `operators`: groups of operators, by the names in `OPERATORS_OF`. `codes`: the codes of all errors. `replayed`: the
    server recognises a repeated POST by its idempotency key. `batch`: None if the app has no batch of several stores.
    """

    name: str
    stores: Mapping[str, StoreClient]
    actions: tuple[ActionClient, ...]
    records: tuple[Record, ...]
    operators: Mapping[str, tuple[str, ...]]
    codes: tuple[str, ...]
    replayed: bool
    batch: BatchClient | None = None


def describe(app: App, reserved: frozenset[str] = frozenset()) -> ClientDescription:
    """Describe the client of an app. `reserved`: names that its types must not have in the client's language."""
    offered = operations(app)
    by_store: dict[str, dict[str, StoreOperation]] = {}
    for one in offered.values():
        if isinstance(one, StoreOperation):
            by_store.setdefault(one.meta.name, {})[one.verb] = one
    metas = {name: app.metas[name] for name in by_store}
    names = Names({*reserved, *OPERATORS_OF.values()})
    name = names.claim(f"{pascal(app.name)}Client")
    names.claim(f"Async{name}")
    bases = {store: names.claim(pascal(store), *PARTS) for store in metas}
    called = {store: {part: base + part for part in PARTS} for store, base in bases.items()}
    types = Types(names, *({store: known[part] for store, known in called.items()} for part in ("", "Create")))
    stores = {store: _Describing(meta, metas, called, types, by_store[store]).store() for store, meta in metas.items()}
    actions = tuple(_action(one, types) for one in offered.values() if isinstance(one, ActionOperation))
    several = next((one for one in offered.values() if isinstance(one, MultiStoreOperation)), None)
    batch = (
        None
        if several is None
        else BatchClient(several, names.claim("AnyStoreEdit"), tuple(stores[meta.name] for meta in several.stores))
    )
    return ClientDescription(
        name=name,
        stores=stores,
        actions=actions,
        records=tuple(types.records),
        operators={name: _operators(kind) for kind, name in OPERATORS_OF.items()},
        codes=tuple(error.code for error in all_errors()),
        replayed=app.idempotency is not None,
        batch=batch,
    )


def _operators(kind: Kind) -> tuple[str, ...]:
    return tuple(operator for operator, kinds in OPERATORS.items() if kind in kinds)


def _group(kind: Kind) -> str:
    return next(name for like, name in OPERATORS_OF.items() if _operators(like) == _operators(kind))


class _Describing:
    """Describe one store."""

    def __init__(
        self,
        meta: StoreMeta[Any],
        metas: Mapping[str, StoreMeta[Any]],
        called: Mapping[str, Mapping[str, str]],
        types: Types,
        verbs: Mapping[str, StoreOperation],
    ) -> None:
        self._meta, self._metas, self._called, self._types, self._verbs = meta, metas, called, types, verbs

    def store(self) -> StoreClient:
        meta = self._meta
        attributes = tuple(meta.attributes.values())
        visible = access.visible(meta)
        updatable = [one for one in attributes if one.updatable is not False]
        links = tuple(self._link(one) for one in access.open_links(meta))
        return StoreClient(
            name=meta.name,
            names=self._called[meta.name],
            operations=self._verbs,
            key=tuple(self._field(one) for one in meta.key_attributes),
            item=tuple(self._field(one, always=one.readable is True) for one in visible),
            create=tuple(self._field(one, required=one.required) for one in attributes if one.creatable is not False),
            update=tuple(self._field(one, required=False) for one in updatable),
            changes={one.name: (word, self._operand(one)) for one in updatable if (word := change_word(one))},
            where=tuple(self._comparison(one.name, one) for one in visible),
            orders=tuple(sign + one.name for sign in ("", "-") for one in visible if one.sortable),
            links=links,
            includes=self._includes(),
            fields=(
                *(one.name for one in visible),
                *(one.name for one in links),
                *(f"{one.name}.{below.name}" for one in links if one.kind != "has_count"
                  for below in access.visible(self._metas[one.target])),
            ),
            edits=tuple(verb for verb in EDITS if meta.access is not None and meta.access.allows(verb)),
            whole={one.name for one in visible if one.readable is True} <= set(access.always_present(meta)),
            text=has_text(meta),
            conditional=meta.conditional_writes,
            description=meta.description,
        )  # fmt: skip

    def _field(self, attribute: Attribute, *, required: bool = True, always: bool = True) -> Field:
        of = Scalar(Of.LONG) if leaf_of(attribute) is LONG else self._types.of(attribute.type, self._meta)
        return Field(
            attribute.name,
            nullable(of) if attribute.optional else of,
            required,
            always,
            UNSET,
            attribute.description,
        )

    def _operand(self, attribute: Attribute) -> Type:
        """Return the update operators of numbers and lists."""
        found = self._types.of(attribute.type, self._meta)
        return found.item if isinstance(found, Listed) else found

    def _link(self, link: Link) -> LinkField:
        target = link.ends.target.name
        return LinkField(link.name, link.kind, target, BEHIND[link.kind](self._called[target][""]), link.description)

    def _comparison(self, name: str, attribute: Attribute) -> Comparison:
        plain = attribute.kind is not Kind.JSON
        below = fields_of(self._meta, name)
        return Comparison(
            name.rpartition(".")[2],
            _group(attribute.kind),
            self._operand_type(attribute) if plain else None,
            tuple(self._comparison(f"{name}.{field}", inner) for field, inner in below.items()),
        )

    def _operand_type(self, attribute: Attribute) -> Type:
        """Return the type of the values with which the attribute is compared."""
        return Scalar(Of.LONG) if leaf_of(attribute) is LONG else self._types.of(attribute.operand, self._meta)

    def _includes(self) -> tuple[str, ...]:
        """Return the paths of links that a response can include."""
        found: tuple[str, ...] = ()
        for levels in range(1, MAX_LEVELS + 1):
            paths = tuple(_paths(self._meta, self._metas, levels))
            if levels == 1 or len(paths) <= MAX_PATHS:
                found = paths
        return found


def _paths(meta: StoreMeta[Any], metas: Mapping[str, StoreMeta[Any]], levels: int, before: str = "") -> Iterator[str]:
    for link in access.open_links(meta):
        yield before + link.name
        if levels > 1 and link.kind != "has_count":
            yield from _paths(link.ends.target, metas, levels - 1, f"{before}{link.name}.")


BEHIND: dict[str, Any] = {
    "belongs_to": lambda item: nullable(Named(item)),
    "has_one": lambda item: nullable(Named(item)),
    "has_many": lambda item: Paged(Named(item)),
    "has_count": lambda item: WHOLE,
}
"""Kind of link → the type of the link in an item."""


def _action(operation: ActionOperation, types: Types) -> ActionClient:
    parameters = tuple(
        Field(one.name, types.of_given(one.shape), one.required, description=one.description)
        for one in operation.parameters
    )
    body = operation.mutation and operation.method != "DELETE"
    json = () if body else tuple(one.name for one in operation.parameters if form_of(one.shape) is Form.JSON)
    return ActionClient(operation, parameters, types.of(operation.result), body, json)
