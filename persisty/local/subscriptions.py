"""Subscriptions of AppSync, apart from the connections that they belong to.

A subscription begins with its resolver, which sets its filter. It receives the results of the mutations that it follows, if the filter passes them: the
fields that the publisher selected and the subscriber selects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
)
from msgspec import Struct

from .appsync import AppSync, Caller, fresh
from .event_filters import passes
from .graphql_fields import followed


class Subscription(Struct, frozen=True, eq=False):
    """A subscription that has begun. `filter`: None passes every event."""

    mutations: tuple[str, ...]
    filter: Mapping[str, Any] | None
    document: str
    variables: Mapping[str, Any]
    name: str | None


async def begin(api: AppSync, given: Mapping[str, Any], caller: Caller) -> Subscription | list[dict[str, Any]]:
    """Return the subscription that a request (`query`, `variables`, `operationName`) begins, or the errors that its resolver gives. `GraphQLError` if the
    request is not a subscription."""
    document, variables, name = given["query"], given.get("variables") or {}, given.get("operationName")
    operations = [one for one in parse(document).definitions if isinstance(one, OperationDefinitionNode)]
    operation = next((one for one in operations if name is None or (one.name and one.name.value == name)), None)
    root = api.schema.subscription_type
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION or root is None:
        raise GraphQLError("Expected a subscription")
    first = operation.selection_set.selections[0]
    field = root.fields.get(first.name.value) if isinstance(first, FieldNode) else None
    state = fresh(caller)
    answer = await api.execute(document, variables, name, state)
    if "errors" in answer or field is None:
        return answer.get("errors") or []
    chosen = state.filters[-1] if state.filters else None
    return Subscription(followed(field), chosen, document, variables, name)


def received(schema: GraphQLSchema, one: Subscription, mutation: str, event: dict[str, Any]) -> dict[str, Any] | None:
    """Return the data that a subscription receives when a mutation has this result, None if it receives nothing. `schema`: without resolvers."""
    if mutation not in one.mutations or not passes(one.filter, event):
        return None
    result = execute_sync(
        schema, parse(one.document), _EventRoot(event),
        variable_values=dict(one.variables), operation_name=one.name,
    )  # fmt: skip
    return result.data


class _EventRoot(dict[str, Any]):
    """The root of an event: every field of a subscription is the event."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        super().__init__()
        self._event = event

    def get(self, _name: str, _default: Any = None) -> Any:
        return self._event
