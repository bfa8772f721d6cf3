"""graphql-core's schema of an app. In a large app, only the part that documents use is built.

graphql-core takes 6 ms to build the types of one store. An app with few operations builds its whole schema at the start. An app with many starts
with a small one. A document that uses other root fields adds them and their types. After a few such steps the whole schema is built, which bounds
the work for any sequence of documents. Introspection needs the whole schema.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    NamedTypeNode,
    Node,
    build_schema,
    specified_scalar_types,
)

from ....model.meta import StoreMeta
from ....store.wait_limits import WouldWait, in_attempt
from ...operations import ActionOperation, MultiStoreOperation, Operation
from ..compiler import Planner
from ..described_types import item_record
from ..result_types import offered_in
from ..sdl import sdl
from ..subscriptions import Subscription
from .aws_scalars import SCALARS
from .documents import STORED
from .field_collection import HARMLESS
from .introspection_size import INTROSPECTION

SMALL = 400
"""The most operations of an app whose whole schema is built at the start."""
GROWTHS = 16
"""The number of times that the schema grows before the whole schema is built."""


class ExecutableSchema:
    """The schema of these operations and subscriptions, which grows with the documents that are read."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        subscriptions: Mapping[str, Subscription],
        planner: Planner,
        *,
        small: int = SMALL,
    ) -> None:
        """`operations` and `subscriptions`: by the name of their root field."""
        self._operations, self._subscriptions, self._planner = operations, subscriptions, planner
        self._offered = offered_in(operations.values())
        self._all = operations.keys() | subscriptions.keys()
        self._lock, self._growths = threading.Lock(), 0
        self._reached = self._all if len(operations) <= small else _first_of_each_root(operations, subscriptions)
        self.current = self._built(self._reached)

    @property
    def whole(self) -> GraphQLSchema:
        """The schema of all operations."""
        return self._reaching(self._all)

    def of_document(self, document: DocumentNode) -> GraphQLSchema:
        """Return a schema with every field and type that the document names. It is part of every later one."""
        if self._reached is self._all:
            return self.current
        fields, types = _names(document)
        if not fields.isdisjoint(INTROSPECTION):
            if self._reached is not self._all and in_attempt():
                raise WouldWait
            return self.whole
        found = self._reaching(fields & self._all)
        return found if types <= found.type_map.keys() | specified_scalar_types.keys() else self.whole

    def _reaching(self, fields: set[str]) -> GraphQLSchema:
        if not fields <= self._reached:
            with self._lock:
                if not fields <= self._reached:
                    self._growths += 1
                    reached = self._all if self._growths > GROWTHS else self._reached | fields
                    if len(reached) == len(self._all):
                        reached = self._all
                    self.current = self._built(reached)
                    self._reached = reached  # last, so that a thread that sees these fields also sees their schema
        return self.current

    def _built(self, fields: set[str]) -> GraphQLSchema:
        operations = {name: one for name, one in self._operations.items() if name in fields}
        followed = {name: one for name, one in self._subscriptions.items() if name in fields}
        schema = build_schema(sdl(operations.values(), subscriptions=followed.values(), offered=self._offered))
        for name, (read, write) in SCALARS.items():
            scalar = schema.type_map[name]
            if isinstance(scalar, GraphQLScalarType):
                scalar.coerce_input_value, scalar.coerce_output_value = read, write
        for name, operation in operations.items():
            root = schema.mutation_type if operation.mutation else schema.query_type
            if isinstance(root, GraphQLObjectType):
                stored = not isinstance(operation, ActionOperation)
                root.fields[name].extensions = {STORED: stored, HARMLESS: stored and not operation.mutation}
        if schema.subscription_type is not None:
            for name in followed:
                schema.subscription_type.fields[name].extensions = {STORED: True, HARMLESS: True}
        for meta in self._offered:
            _mark_links(schema, meta, self._planner)
        return schema


def _first_of_each_root(operations: Mapping[str, Operation], subscriptions: Mapping[str, Subscription]) -> set[str]:
    """Return one field of each root type, so that every partial schema has the root types of the whole one.

    The batch of several stores is left out, because it needs the types of all of them.
    """
    of_root = {one.mutation: name for name, one in operations.items() if not isinstance(one, MultiStoreOperation)}
    return {*of_root.values(), *list(subscriptions)[:1]}


def _names(document: DocumentNode) -> tuple[set[str], set[str]]:
    """Return the names of all fields in a document, and of all types that it names."""
    fields: set[str] = set()
    types: set[str] = set()
    left: list[Node] = [document]
    while left:
        node = left.pop()
        if isinstance(node, FieldNode):
            fields.add(node.name.value)
        elif isinstance(node, NamedTypeNode):
            types.add(node.name.value)
        for key in node.keys:
            value = getattr(node, key, None)
            if isinstance(value, Node):
                left.append(value)
            elif isinstance(value, list | tuple):
                left.extend(one for one in value if isinstance(one, Node))
    return fields, types


def _mark_links(schema: GraphQLSchema, meta: StoreMeta[object], planner: Planner) -> None:
    item = schema.type_map.get(item_record(meta).name)
    if isinstance(item, GraphQLObjectType):
        for name in planner.links(meta):
            item.fields[name].extensions = {STORED: True, HARMLESS: True}
