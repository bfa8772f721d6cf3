"""A GraphQL request, its checked document with execution plans, and a request that is ready to be executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, Undefined, VariableDefinitionNode
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities import coerce_input_value
from msgspec import Struct

from ....security.caller import ANONYMOUS, Caller
from ...operations import Operation
from ..executor import Node
from ..response import Answer
from ..selection import Selected
from .document_limits import fields_of
from .field_collection import fragments_of, switches_of
from .subscription import Live

REMEMBERED_PLANS = 16
"""The most cached plans of one document."""
DOCUMENT_COST, PLAN_COST = 12_000, 500
"""Bytes of a cached document, and of each field in each plan: measured, and rounded up."""
SCALAR = frozenset({str, int, float, bool})


class RootField(Struct, frozen=True):
    """A root field of a plan. `needed`: the attributes that the items of a search need to have, None for all of them."""

    selected: Selected
    operation: Operation
    node: Node
    needed: tuple[str, ...] | None = None


class DocumentPlan(Struct, frozen=True):
    """Key → a root field, the name of the root type for `__typename`, or a document for graphql-core that selects the key from the schema."""

    fields: dict[str, RootField | str | DocumentNode]

    @property
    def about_the_schema(self) -> bool:
        """Return whether a root field is about the schema."""
        return any(isinstance(one, DocumentNode) for one in self.fields.values())

    @property
    def same_for_every_caller(self) -> bool:
        """Return whether no root field calls an operation."""
        return not any(isinstance(one, RootField) for one in self.fields.values())

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations of the root fields."""
        return tuple(one.operation for one in self.fields.values() if isinstance(one, RootField))


class GraphqlRequest(Struct, frozen=True):
    """A request. `read_only`: a mutation raises `MethodNotAllowed`. `begin`: receives a subscription, if the connection can serve one."""

    text: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    caller: Caller = ANONYMOUS
    read_only: bool = False
    begin: Callable[[Live], None] | None = None


class Prepared(Struct, frozen=True):
    """A request that is ready to be executed. `mutations`: the operations of a mutation's root fields, empty for a query."""

    mutations: tuple[Operation, ...]
    execute: Callable[[], Answer]


class CheckedDocument:
    """A valid document, and its plans."""

    def __init__(self, schema: GraphQLSchema, node: DocumentNode, introspection: int = 0) -> None:
        """`introspection`: the most values about the schema in its response."""
        self.schema, self.introspection = schema, introspection
        self.node, self.fragments, self.switches = node, fragments_of(node), sorted(switches_of(node))
        self.plans: dict[tuple[Any, ...], DocumentPlan] = {}
        plans = REMEMBERED_PLANS if self.switches else 1
        self.cost = DOCUMENT_COST + fields_of(node) * plans * PLAN_COST
        self._signatures: dict[int, list[GraphQLVariableSignature] | None] = {}

    def plainly(self, definitions: Sequence[VariableDefinitionNode], given: Mapping[str, Any]) -> VariableValues | None:
        """Return the variables as graphql-core coerces them, without reading their definitions again. None unless each of them is given as a
        scalar."""
        known = self._signatures.get(id(definitions))
        if known is None:
            found = [get_variable_signature(self.schema, one) for one in definitions]
            known = self._signatures[id(definitions)] = [one for one in found if not isinstance(one, GraphQLError)]
        coerced: dict[str, Any] = {}
        for one in known:
            value = given.get(one.name)
            if type(value) not in SCALAR:
                return None
            coerced[one.name] = read = coerce_input_value(value, one.type)
            if read is Undefined:
                return None
        return VariableValues({one.name: VariableValueSource(one, given[one.name]) for one in known}, coerced)
