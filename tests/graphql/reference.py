"""The reference for plans: graphql-core's own executor with the same schema, which calls a resolver for each field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError, GraphQLObjectType, GraphQLSchema, execute_sync, parse
from msgspec import UNSET

from persisty import App
from persisty.api.actions import operations
from persisty.api.graphql.compiler import Dialect, Planner
from persisty.api.graphql.executor import stores_for
from persisty.api.graphql.hosted.executable_schema import ExecutableSchema
from persisty.api.graphql.links import PARAMETERS
from persisty.api.graphql.resolvers import call, store_arguments
from persisty.api.graphql.response import known_error
from persisty.api.graphql.result_types import LinkField, offered_in, result_ref
from persisty.api.graphql.types import Field, Leaf, ListOf, Record, Ref
from persisty.api.graphql.values import answer, member_of
from persisty.errors import Forbidden
from persisty.query.filter_parsing import filter_of_json
from persisty.security.caller import ANONYMOUS, Caller
from persisty.store.store import context_of


class Reference:
    """Executes valid documents field by field."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._operations = operations(app).values()
        self._planner = Planner(Dialect(lambda leaf: str, str), offered_in(self._operations))
        self.schema: GraphQLSchema = ExecutableSchema(
            {one.field: one for one in self._operations}, {}, self._planner
        ).whole
        self._seen: set[str] = set()
        for operation in self._operations:
            root = self.schema.mutation_type if operation.mutation else self.schema.query_type
            root.fields[operation.field].resolve = self._called(operation)  # type: ignore[union-attr]
            self._attach(result_ref(operation))

    def __call__(
        self, text: str, variables: dict[str, Any] | None = None, caller: Caller = ANONYMOUS
    ) -> dict[str, Any]:
        result = execute_sync(self.schema, parse(text), context_value=caller, variable_values=variables)
        return {
            "data": result.data,
            "errors": [(list(error.path or ()), _code(error)) for error in result.errors or ()],
        }

    def _called(self, operation: Any) -> Callable[..., Any]:
        return lambda _root, info, **arguments: call(operation, arguments, info.context)

    def _attach(self, ref: Ref) -> None:
        match ref.type:
            case ListOf(item):
                self._attach(item)
            case Record() as record if record.name not in self._seen:
                self._seen.add(record.name)
                of = self.schema.type_map[record.name]
                assert isinstance(of, GraphQLObjectType)
                for field in record.fields:
                    if field.readable is not False:
                        of.fields[field.name].resolve = self._member(record, field)
                        self._attach(field.ref)
                if record.meta is not None:
                    for name, link in self._planner.links(record.meta).items():
                        of.fields[name].resolve = self._linked(record, link)
                        self._attach(link.ref)

    def _member(self, record: Record, field: Field) -> Callable[..., Any]:
        def resolve(value: Any, info: Any) -> Any:
            if record.meta is not None:  # an action may answer more than its caller may see
                [value] = context_of(stores_for(self._app.catalogue.stores, info.context)(record.meta)).guard.redact(
                    [value]
                )
            found = member_of(value, field.attribute)
            if found is UNSET and not field.answered.nullable:
                raise Forbidden
            return answer(field.ref, found) if isinstance(_inner(field.ref), Leaf) else found

        return resolve

    def _linked(self, record: Record, link: LinkField) -> Callable[..., Any]:
        def resolve(item: Any, info: Any, **arguments: Any) -> Any:
            store = stores_for(self._app.catalogue.stores, info.context)(record.meta)  # type: ignore[arg-type]
            target = context_of(store).of(link.target)
            target.guard.row_filter("read")
            given = store_arguments(link.target, tuple(PARAMETERS[name] for name in link.parameters), arguments)
            given = {name: value for name, value in given.items() if value is not None}
            if "where" in given:
                given["where"] = filter_of_json(link.target, given["where"], view=target.guard.view)
            return store.related(link.link.name, [item], **given)[0]

        return resolve


def _inner(ref: Ref) -> Any:
    found: Any = ref.type
    while isinstance(found, ListOf):
        found = found.item.type
    return found


def _code(error: GraphQLError) -> str:
    if "Cannot return null for non-nullable" in error.message:
        return "unsupported"
    return known_error(error.original_error or error).code
