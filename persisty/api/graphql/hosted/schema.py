"""The hosted GraphQL schema and its execution: graphql-core parses and validates requests, and compiled plans execute them.

A document is parsed and validated once and then cached, with a plan for each of its operations and each combination of `@skip` and `@include`. A
root field is one call of its operation. A link is one call of a store for all items of the response. Root fields are executed one after the
other, in order. graphql-core executes introspection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    get_operation_ast,
    get_variable_values,
)
from graphql.execution.values import VariableValues

from ....application import App
from ....errors import AnswerTooLarge, MethodNotAllowed, TooComplex, UnreadableItem
from ....model.types import identity
from ....security.caller import ANONYMOUS, Caller
from ....store.wait_limits import WouldWait, in_attempt
from ...actions import operations
from ...http.messages import MAX_RESPONSE
from .. import response as answers
from ..compiler import Dialect, Planner
from ..complexity import check_complexity, members_of
from ..executor import Failure, Run, stores_for
from ..resolvers import call
from ..response import Answer, error_of, executed, known_error, not_begun
from ..result_types import offered_in
from ..sdl import sdl
from ..selection import TYPENAME
from ..subscriptions import subscriptions
from ..types import Leaf
from .aws_scalars import json_text
from .bounded_cache import BoundedCache
from .document_limits import Limits, holds_more
from .document_plans import REMEMBERED_PLANS, CheckedDocument, DocumentPlan, GraphqlRequest, Prepared, RootField
from .documents import MAX_ERRORS, Rejected, check, check_variables, malformed, parsed
from .executable_schema import ExecutableSchema
from .field_collection import Collector
from .introspection_size import INTROSPECTS, QUICK_INTROSPECTION, IntrospectionSize
from .subscription import Live

REMEMBERED = 32 << 20
"""The size of the cache of parsed, validated and compiled documents, in bytes."""
QUICK = 10_000
"""The most values in a response that is made in an event loop: about 15 milliseconds."""
REMEMBERED_ANSWERS = 32 << 20
"""The size of the cache of responses to introspection, in bytes."""
LENGTH_COST = 150
"""Bytes of each character of a cached document: measured, and rounded up."""


class GraphqlSchema:
    """The operations of an app as an executable schema."""

    def __init__(self, app: App, limits: Limits | None = None, *, check: bool = True) -> None:
        """Raises `InvalidDeclaration` if names clash. Without `check`, it checks only the names of root fields."""
        self._stores = app.catalogue.stores
        known = tuple(operations(app).values())
        followed = subscriptions(app.metas.values())
        self._limits = limits or Limits()
        self._operations = {one.field: one for one in known}
        self._subscriptions = {one.field: one for one in followed}
        if check or len({*self._operations, *self._subscriptions}) < len(known) + len(followed):
            sdl(known, subscriptions=followed)
        self._planner = Planner(Dialect(self._check, json_text), offered_in(known))
        self._executable = ExecutableSchema(self._operations, self._subscriptions, self._planner)
        self._documents: BoundedCache[CheckedDocument] = BoundedCache(REMEMBERED)
        self._size: IntrospectionSize | None = None
        self._introspections: BoundedCache[Answer] = BoundedCache(REMEMBERED_ANSWERS)

    @property
    def whole(self) -> GraphQLSchema:
        """graphql-core's schema of all operations."""
        return self._executable.whole

    def execute(
        self,
        text: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        caller: Caller = ANONYMOUS,
        read_only: bool = False,
    ) -> dict[str, Any]:
        """Return the decoded response to a request."""
        request = GraphqlRequest(text, variables, operation_name, caller, read_only)
        found: dict[str, Any] = msgspec.json.decode(self.answer(request).body)
        return found

    def answer(self, request: GraphqlRequest) -> Answer:
        """Return the response: `data`, and `errors` if there are any. Without `data`, nothing was executed. The response of a subscription is
        empty."""
        found = self.prepare(request)
        return found if isinstance(found, Answer) else found.execute()

    def prepare(self, request: GraphqlRequest) -> Prepared | Answer:
        """Return the request, ready to be executed, or its response if there is nothing to execute."""
        text, name, caller, begin = request.text, request.operation_name, request.caller, request.begin
        given = dict(request.variables or {})
        try:
            document = self._documents.get(text) or self._prepare(text)
            operation = _operation(document.node, name)
            subscribing = operation.operation is OperationType.SUBSCRIPTION
            if subscribing and begin is None:
                raise Rejected([malformed(NEEDS_CONNECTION)])
            if request.read_only and operation.operation is not OperationType.QUERY:
                raise MethodNotAllowed("A mutation needs POST", allow="POST")
            values = self._variables(document, operation, given)
            if begin is not None and subscribing:
                return self._subscribed(document, operation, values, caller, begin)
            plan = self._plan(document, operation, name, values)
            self._weigh(plan, values)
            if plan.about_the_schema:
                return self._introspected(document, plan, values, caller, given, f"{name or ''}\n{text}")
        except Rejected as rejected:
            return answers.rejected(rejected.errors)
        mutations = plan.operations if operation.operation is OperationType.MUTATION else ()
        limit = None if operation.operation is OperationType.MUTATION else MAX_RESPONSE  # a write has always a response
        return Prepared(mutations, partial(self._executed, plan, values, caller, given, limit))

    def _introspected(
        self,
        document: CheckedDocument,
        plan: DocumentPlan,
        values: VariableValues,
        caller: Caller,
        given: dict[str, Any],
        name: str,
    ) -> Prepared | Answer:
        """Return an introspection query, ready to be executed. Its response is cached if it depends only on the document."""
        cached = plan.same_for_every_caller and not values.coerced
        if cached and (answer := self._introspections.get(name)) is not None:
            return answer
        if document.introspection > QUICK_INTROSPECTION and in_attempt():
            raise WouldWait

        def execute() -> Answer:
            answer = self._executed(plan, values, caller, given, MAX_RESPONSE)
            if cached:
                self._introspections.put(name, answer, len(answer.body) + 4 * len(name))
            return answer

        return Prepared((), execute)

    def _executed(
        self, plan: DocumentPlan, values: VariableValues, caller: Caller, given: dict[str, Any], limit: int | None
    ) -> Answer:
        run = Run(stores_for(self._stores, caller), values, known_error, limit)
        try:
            data = {key: self._answered(run, key, one, caller, given) for key, one in plan.fields.items()}
        except AnswerTooLarge as error:
            return answers.refused(error)
        return executed(run, data)

    def _subscribed(
        self,
        document: CheckedDocument,
        operation: OperationDefinitionNode,
        values: VariableValues,
        caller: Caller,
        begin: Callable[[Live], None],
    ) -> Answer:
        collector = Collector(document.schema, document.fragments, values.coerced)
        root = document.schema.subscription_type
        [(key, nodes)] = collector.fields([operation.selection_set]).items()  # a valid subscription has one root field
        if root is None or nodes[0].name.value not in self._subscriptions:
            raise Rejected([malformed("A subscription selects one of the fields of Subscription", nodes)])
        selected = collector.selected(root, key, nodes)
        subscription = self._subscriptions[selected.name]
        node = self._planner.event(subscription.meta, selected, root.name)
        self._weigh_all([node.weight(values, 1)])
        try:
            begin(Live(self._stores, subscription, selected, node, values, caller))
        except Exception as error:
            return not_begun(Failure((key,), known_error(error), selected))
        return Answer(b"", True)

    def _answered(
        self, run: Run, key: str, field: RootField | str | DocumentNode, caller: Caller, given: dict[str, Any]
    ) -> Any:
        if isinstance(field, RootField):
            try:
                found = call(field.operation, field.selected.arguments(run.variables), caller, field.needed)
            except UnreadableItem as error:
                if not error.others:
                    run.rejected[key] = error
                    return run.fail(error, (key,), field.selected, nullable=True)
                for position, one in error.by_position.items():
                    run.fail(one, (key, position), field.selected, nullable=True)
                found = error.others
            except Exception as error:  # an error of one root field must not affect the others
                run.rejected[key] = known = run.known(error)
                return run.fail(known, (key,), field.selected, nullable=True)
            return field.node.complete(run, [found], lambda _: (key,))[0]
        if isinstance(field, str):
            return field
        return (execute_sync(self.whole, field, variable_values=given).data or {}).get(key)

    def _weigh(self, plan: DocumentPlan, values: VariableValues) -> None:
        """Raise `Rejected` if the response might be too large, and `WouldWait` if making it might block an event loop too long."""
        roots = [one for one in plan.fields.values() if isinstance(one, RootField)]
        self._weigh_all(one.node.weight(values, _members(one, values)) for one in roots)

    def _weigh_all(self, weights: Iterable[int]) -> None:
        try:
            found = check_complexity(weights, self._limits.complexity)
        except TooComplex as error:
            raise Rejected([error_of(error)]) from None
        if found > QUICK and in_attempt():
            raise WouldWait

    def _plan(
        self, document: CheckedDocument, operation: OperationDefinitionNode, name: str | None, values: VariableValues
    ) -> DocumentPlan:
        key = (name, *(values.coerced.get(switch) for switch in document.switches))
        found = document.plans.get(key)
        if found is None:
            if len(document.plans) >= REMEMBERED_PLANS:
                document.plans.clear()
            found = document.plans[key] = self._compiled(document, operation, values.coerced)
        return found

    def _compiled(
        self, document: CheckedDocument, operation: OperationDefinitionNode, switches: Mapping[str, Any]
    ) -> DocumentPlan:
        collector = Collector(document.schema, document.fragments, switches)
        root = document.schema.get_root_type(operation.operation)
        fields: dict[str, RootField | str | DocumentNode] = {}
        if isinstance(root, GraphQLObjectType):
            for key, nodes in collector.fields([operation.selection_set]).items():
                name = nodes[0].name.value
                if name in root.fields and name in self._operations:
                    selected, known = collector.selected(root, key, nodes), self._operations[name]
                    node, needed = self._planner.root(known, selected, root.name), self._planner.needed(known, selected)
                    fields[key] = RootField(selected, known, node, needed)
                elif name == TYPENAME:
                    fields[key] = root.name
                else:
                    fields[key] = _about_the_schema(document, operation, nodes)
        return DocumentPlan(fields)

    def _variables(
        self, document: CheckedDocument, operation: OperationDefinitionNode, given: dict[str, Any]
    ) -> VariableValues:
        """Return the coerced variables. Raises `Rejected` if a value is missing or does not fit."""
        definitions = operation.variable_definitions or ()
        if not definitions:
            return NO_VARIABLES
        plain = document.plainly(definitions, given)
        if plain is None and holds_more(given, self._limits.values):
            raise Rejected([malformed(f"The variables have more than {self._limits.values} values")])
        values = plain or get_variable_values(
            document.schema, definitions, given, max_errors=MAX_ERRORS, hide_suggestions=True
        )
        if isinstance(values, VariableValues):
            return values
        check_variables(document.schema, document.node, operation, given, self._limits)
        raise Rejected([malformed(error.message, error.nodes) for error in values])

    def _check(self, leaf: Leaf) -> Callable[[Any], Any]:
        """Return graphql-core's serializer of the type."""
        kind = self._executable.current.type_map[leaf.name]
        return kind.coerce_output_value if isinstance(kind, GraphQLScalarType | GraphQLEnumType) else identity

    def _prepare(self, text: str) -> CheckedDocument:
        node = parsed(text, self._limits)
        schema = self._executable.of_document(node)
        introspection = self._introspection(text, schema, node)
        check(schema, node, self._limits)
        document = CheckedDocument(schema, node, introspection)
        self._documents.put(text, document, document.cost + LENGTH_COST * len(text))
        return document

    def _introspection(self, text: str, schema: GraphQLSchema, node: DocumentNode) -> int:
        """Return the most values about the schema in the response. Raises `Rejected` if there are too many."""
        if not self._limits.introspection or INTROSPECTS.search(text) is None:
            return 0
        size = self._size = self._size or IntrospectionSize(schema)
        try:
            return check_complexity([size.of(node)], size.limit)
        except TooComplex as error:
            raise Rejected([error_of(error)]) from None


def _members(root: RootField, values: VariableValues) -> int:
    try:
        given = {} if root.operation.mutation else root.selected.arguments(values)
    except GraphQLError:  # the response reports it at the field
        given = {}
    return members_of(root.operation, given)


NEEDS_CONNECTION = (
    "A subscription needs a connection that stays open: a WebSocket, with the protocol graphql-transport-ws"
)
ONE_OPERATION = "The document must have exactly one operation, or the request must name one"
NO_VARIABLES = VariableValues({}, {})


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = get_operation_ast(document, name)
    if found is None:
        message = "No operation has this name" if name else ONE_OPERATION
        raise Rejected([malformed(message)])
    return found


def _about_the_schema(document: CheckedDocument, operation: OperationDefinitionNode, nodes: Any) -> DocumentNode:
    """Return a document that selects only these fields."""
    single = OperationDefinitionNode(
        operation=operation.operation,
        variable_definitions=operation.variable_definitions,
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(nodes)),
    )
    return DocumentNode(definitions=(single, *document.fragments.values()))
