"""Clients for tests: over HTTP, and through a simulation of AppSync that follows its documentation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import date, datetime
from inspect import isawaitable
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLField,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute,
    get_named_type,
    is_object_type,
    is_required_argument,
    parse,
    validate,
)
from msgspec import UNSET

from persisty import App
from persisty.api.actions import operations
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.reachable_types import everywhere
from persisty.api.graphql.sdl import sdl
from persisty.api.http.messages import Request
from persisty.local.graphql_fields import selection
from persisty.security.caller import ANONYMOUS, Caller

JSON = {"content-type": "application/json"}


class Hosted:
    """Sends requests to the endpoint by POST."""

    def __init__(self, endpoint: GraphqlEndpoint, caller: Caller = ANONYMOUS) -> None:
        self.endpoint, self.caller = endpoint, caller

    def __call__(self, text: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": text, "variables": variables}).encode()
        response = self.endpoint.handle(Request("POST", "/graphql", headers=JSON, body=body, caller=self.caller))
        assert response.status == 200, response.body
        return json.loads(response.body)

    def data(self, text: str, **variables: Any) -> Any:
        answer = self(text, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    def error(self, text: str, **variables: Any) -> dict[str, Any]:
        """Return the extensions of the first error."""
        return self(text, **variables)["errors"][0]["extensions"]


class StandIn:
    """A simulation of AppSync.

    It parses, validates and coerces by its schema, sends each root field to the function, and returns the selected fields. It runs the resolver of
    each link, which takes the link from its object if that contains it, and otherwise invokes the function for all objects.

    AWSJSON is passed parsed, and a result that is a structure is written as text. The error of an envelope becomes the field's, with `code` as
    errorType and `info` as errorInfo. Errors of links are added to the response. `events`: the events that it sent. `batches`: those of links.
    """

    def __init__(self, appsync: AppSync, app: App, most: int = 200) -> None:
        self._appsync, self._most = appsync, most
        self.caller = ANONYMOUS
        self.events: list[dict[str, Any]] = []
        self.batches: list[list[dict[str, Any]]] = []
        self._added: list[dict[str, Any]] = []
        self._waiting: dict[tuple[str, str], list[tuple[dict[str, Any], asyncio.Future[Any]]]] = {}
        scalars = "\n".join(f"scalar {name}" for name in READS)
        offered = operations(app).values()
        self.schema: GraphQLSchema = build_schema(scalars + "\n" + sdl(offered, appsync=True))
        for name, read in READS.items():
            self.schema.type_map[name].coerce_input_value = read  # type: ignore[union-attr]
        self.schema.type_map["AWSJSON"].coerce_output_value = write_json  # type: ignore[union-attr]
        for root in (self.schema.query_type, self.schema.mutation_type):
            for name, field in (root.fields if root else {}).items():
                field.resolve = self._resolver(name)
        for record, name, _ in everywhere(tuple(offered)).links:
            self.schema.type_map[record.name].fields[name].resolve = self._linked  # type: ignore[union-attr]

    def __call__(self, text: str, **variables: Any) -> dict[str, Any]:
        document = parse(text)
        assert validate(self.schema, document) == []
        self.events, self.batches, self._added = [], [], []
        result = asyncio.run(self._executed(document, variables))
        errors = [{"message": e.message, "extensions": e.extensions, "path": e.path} for e in result.errors or ()]
        errors += self._added
        return json.loads(json.dumps({"data": result.data, **({"errors": errors} if errors else {})}))

    async def _executed(self, document: DocumentNode, variables: dict[str, Any]) -> ExecutionResult:
        found = execute(self.schema, document, variable_values=variables)
        return await found if isawaitable(found) else found

    def _resolver(self, name: str) -> Callable[..., Any]:
        def resolve(_root: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
            event = json.loads(json.dumps({"fieldName": name, "arguments": arguments, **selection(info)}))
            self.events.append(event)
            envelope = json.loads(json.dumps(self._appsync.handle(event, self.caller)))
            return self._data(envelope, [])

        return resolve

    def _linked(self, source: dict[str, Any], info: GraphQLResolveInfo, **arguments: Any) -> Any:
        """The resolver of a link, as in `link.js`."""
        name, written = info.field_name, json.loads(json.dumps(arguments))
        value = source.get(name, UNSET)
        if value is not UNSET and is_stored(source.get(f"{name}()"), written):
            return value
        type_ = info.parent_type.name
        event = {"typeName": type_, "fieldName": name, "source": source.get(f":{name}"), "arguments": written}
        return self._batched(
            (type_, name), json.loads(json.dumps({**event, **selection(info)})), info.path.as_list()[:-1]
        )

    async def _batched(self, place: tuple[str, str], event: dict[str, Any], path: list[Any]) -> Any:
        """Return the function's result for the event, batched with other objects that wait for the same link."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        waiting = self._waiting.setdefault(place, [])
        if not waiting:
            loop.call_soon(self._flush, place)
        waiting.append((event, future))
        return self._data(await future, path)

    def _flush(self, place: tuple[str, str]) -> None:
        waiting = self._waiting.pop(place)
        for start in range(0, len(waiting), self._most):
            some = waiting[start : start + self._most]
            events = [event for event, _ in some]
            self.batches.append(events)
            envelopes = json.loads(json.dumps(self._appsync.handle_batch(events, self.caller)))
            for envelope, (_, future) in zip(envelopes, some, strict=True):
                if not future.done():  # else an object around it has become null
                    future.set_result(envelope)

    def _data(self, envelope: dict[str, Any], path: list[Any]) -> Any:
        for one in envelope.get("errors", ()):
            below, rest = one["info"]["path"], {name: x for name, x in one["info"].items() if name != "path"}
            entry = {"message": one["message"], "path": [*path, *below], "extensions": {"code": one["code"], **rest}}
            self._added.append(entry)
        if "error" in envelope:
            error = envelope["error"]
            raise GraphQLError(error["message"], extensions={"code": error["code"], **error["info"]})
        return envelope["data"]


def is_stored(stored: dict[str, str] | None, given: dict[str, Any]) -> bool:
    """Return whether a link is loaded for these arguments."""
    return stored is None or {name: write_json(value) for name, value in given.items()} == stored


def write_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _iso(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        kind.fromisoformat(value)
        return value

    return read


READS: dict[str, Callable[[Any], Any]] = {
    "AWSJSON": json.loads,
    "AWSDateTime": _iso(datetime),
    "AWSDate": _iso(date),
}


def everything_of(schema: GraphQLSchema, name: str, depth: int = 4) -> str:
    """Return a selection of everything that a root field returns."""
    roots = [root for root in (schema.query_type, schema.mutation_type) if root]
    return _selection(next(root.fields[name] for root in roots if name in root.fields), depth)


def _selection(field: GraphQLField, depth: int) -> str:
    named = get_named_type(field.type)
    if not is_object_type(named):
        return ""
    if depth == 0:
        return "{ __typename }"
    return "{ " + " ".join(f"{one} {_selection(inner, depth - 1)}" for one, inner in named.fields.items()) + " }"


def document_of(schema: GraphQLSchema, name: str, arguments: Any) -> str:
    """Return a document that selects everything of a field. Each argument, required or not, has its own variable."""
    kind = "query" if schema.query_type and name in schema.query_type.fields else "mutation"
    root = schema.query_type if kind == "query" else schema.mutation_type
    assert root is not None
    parameters = root.fields[name].args
    types = {
        one: argument.type for one, argument in parameters.items() if one in arguments or is_required_argument(argument)
    }
    declared = ", ".join(f"${one}: {type_}" for one, type_ in types.items())
    passed = ", ".join(f"{one}: ${one}" for one in types)
    head = f"{kind} ({declared})" if types else kind
    return f"{head} {{ {name}{f'({passed})' if passed else ''} {everything_of(schema, name)} }}"
