"""A small AppSync from the deployed template: its schema, the JavaScript of its resolvers, its data sources.

graphql-core parses, validates and completes; every field with a resolver runs the resolver's `request` in Node, invokes the function
that the template wires to it, and runs the resolver's `response`. Errors are as in AppSync: an error has its
type and info next to the message, and errors that the resolver adds have the field's path. Batched requests of one link's resolver
are collected and sent as one list.

With an `authorizer`, it authorizes callers with a token, and all other callers have an API key. Both can use only the fields with the
directive of their mode.

A subscription also begins with its resolver, which sets its filter. It receives the results of the mutations that it follows, which only
IAM may call, if they match the filter. An event has the fields that both the publisher and the subscriber select.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    graphql,
    parse,
    print_schema,
    validate,
)
from msgspec import Struct

from persisty.local.graphql_fields import selection

from ..appsync_endpoint import aliases
from ..appsync_filter import check, lets_through
from ..appsync_schema import DECLARED
from ..graphql.asking import write_json

STUB = """
export const added = [];
export const filters = [];
export const extensions = { setSubscriptionFilter: (filter) => { filters.push(filter); } };
export const util = {
  error: (message, type, data, info) => { throw { message, type, data, info }; },
  appendError: (message, type, data, info) => { added.push({ message, type, data, info }); },
};
export const runtime = { earlyReturn: (value) => { throw { early: value ?? null }; } };
"""
RUN = """
import * as resolver from "./resolver.mjs";
import { added, filters } from "./utils.mjs";
import { readFileSync } from "node:fs";
const { step, context } = JSON.parse(readFileSync(0, "utf8"));
let out;
try { out = { value: resolver[step](context), added, filters }; } catch (error) {
  out = error instanceof Error ? { error: { message: error.stack } } : "early" in error ? error : { error };
}
process.stdout.write(JSON.stringify(out));
"""

Invoke = Callable[[Any], Any]
LAMBDA, KEY, IAM = "aws_lambda", "aws_api_key", "aws_iam"
"""Mode → the directive of a field for callers with a token, a key, or IAM's signature."""


class Subscriber(Struct):
    """A subscription that has begun. `events`: the events that it received, with its own keys."""

    mutations: tuple[str, ...]
    filter: Mapping[str, Any]
    document: str
    variables: dict[str, Any]
    events: list[dict[str, Any]] = []


class AppSyncGateway:
    """The gateway: `ask(query, variables)` returns AppSync's response. `functions` invokes the function with a logical id."""

    def __init__(
        self,
        template: Mapping[str, Any],
        functions: Mapping[str, Invoke],
        folder: Path,
        authorizer: Invoke | None = None,
    ) -> None:
        by_type: dict[str, dict[str, Any]] = {}
        for name, resource in template["Resources"].items():
            by_type.setdefault(resource["Type"], {})[name] = resource["Properties"]
        [schema] = by_type["AWS::AppSync::GraphQLSchema"].values()
        text: str = schema["Definition"]
        self._schema = build_schema(text + DECLARED)
        self._functions, self._authorizer = functions, authorizer
        self._identity: dict[str, Any] | None = None
        self._mode: str | None = None
        self._waiting: dict[int, list[tuple[Any, asyncio.Future[Any]]]] = {}
        self.batches: list[int] = []
        self._folder = folder
        self._path: list[Any] = []
        self._headers: dict[str, str] = {}
        self._added: list[dict[str, Any]] = []
        self._filters: list[dict[str, Any]] = []
        self._iam = False
        self.subscribers: list[Subscriber] = []
        json_text: Any = self._schema.type_map["AWSJSON"]
        json_text.coerce_input_value, json_text.coerce_output_value = json.loads, write_json
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "utils.mjs").write_text(STUB)
        (folder / "run.mjs").write_text(RUN)
        sources = {one["Name"]: one for one in by_type["AWS::AppSync::DataSource"].values()}
        for resolver in by_type["AWS::AppSync::Resolver"].values():
            self._wire(resolver, sources)

    def ask(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        """Return `{"data": …, "errors": […]}`. Errors have AppSync's `errorType` and `errorInfo` next to the message."""
        if not self._let_in(token):
            return {"errors": [{"errorType": "UnauthorizedException", "message": "You are not authorized"}]}
        self._added = []
        answer: dict[str, Any] = dict(asyncio.run(graphql(self._schema, query, variable_values=variables)).formatted)
        errors = [{**error, **error.get("extensions", {}), "extensions": None} for error in answer.pop("errors", ())]
        return {**answer, "errors": errors + self._added} if errors or self._added else answer

    def subscribe(
        self, document: str, variables: dict[str, Any] | None = None, token: str | None = None
    ) -> Subscriber | dict[str, Any]:
        """Return a subscription, or the response if it is rejected."""
        self._let_in(token)
        self._filters = []
        parsed, given = parse(document), variables or {}
        root = self._schema.subscription_type
        result = execute_sync(self._schema, parsed, variable_values=given)  # runs its resolver, as AppSync does
        if errors := [*validate(self._schema, parsed), *(result.errors or ())]:
            return {"errors": [{**error.formatted, **(error.extensions or {})} for error in errors]}
        assert result.data is not None
        assert root is not None
        assert list(result.data.values()) == [None]  # what a subscription's resolver has to give
        [given_filter] = self._filters
        check(given_filter)
        [operation] = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
        [field] = operation.selection_set.selections
        assert isinstance(field, FieldNode)
        found = Subscriber(_followed(root.fields[field.name.value]), given_filter, document, given)
        self.subscribers.append(found)
        return found

    def _let_in(self, token: str | None) -> bool:
        """Set the caller of the next requests, or None."""
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._identity, self._mode = None, None
        if self._authorizer is None or self._iam:
            return True
        self._mode = LAMBDA if token else KEY
        if token:
            said = self._authorizer({"authorizationToken": token, "requestContext": {}})
            self._identity = {"resolverContext": said["resolverContext"]} if said["isAuthorized"] else None
            return bool(said["isAuthorized"])
        return True

    def publish(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a request that IAM signed, and deliver its events to subscribers."""
        assert aliases(query) == []
        self._iam = True
        try:
            answer = self.ask(query, variables)
        finally:
            self._iam = False
        for name, event in (answer.get("data") or {}).items():
            for one in self.subscribers:
                if name in one.mutations and event is not None and lets_through(one.filter, event):
                    one.events.append(self._told(one, event))
        return answer

    def _told(self, one: Subscriber, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that the subscriber selects among those that the publisher selected."""
        schema = build_schema(print_schema(self._schema))
        result = execute_sync(schema, parse(one.document), _Everything(event), variable_values=one.variables)
        assert not result.errors, result.errors
        return dict(result.data or {})

    def _wire(self, resolver: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
        field = self._schema.get_type(resolver["TypeName"]).fields[resolver["FieldName"]]  # type: ignore[union-attr]
        name = resolver["DataSourceName"]
        source = sources[name if isinstance(name, str) else self._named(name, sources)]
        invoke = self._function(source)
        code = resolver["Code"].replace('"@aws-appsync/utils"', '"./utils.mjs"')

        def context(source: Any, info: Any, arguments: Any) -> dict[str, Any]:
            marks = _marks(field) & {LAMBDA, KEY, IAM}
            if (IAM in marks and not self._iam) or (self._mode is not None and marks and self._mode not in marks):
                raise GraphQLError("Not Authorized", extensions={"errorType": "Unauthorized"})
            return {
                "arguments": arguments,
                "source": source,
                "identity": self._identity,
                "request": {"headers": self._headers},
                "info": {"fieldName": info.field_name, "parentTypeName": info.parent_type.name, **selection(info)},
            }

        def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            given, self._path = context(source, info, arguments), info.path.as_list()
            request = self._run(code, "request", given)["value"]
            return self._run(code, "response", {**given, "result": invoke(request["payload"])}).get("value")

        async def linked(source: Any, info: Any, **arguments: Any) -> Any:
            given, self._path = context(source, info, arguments), info.path.as_list()
            request = self._run(code, "request", given)
            if "early" in request:
                return request["early"]
            assert request["value"]["operation"] == "BatchInvoke"
            result = await self._batched(field, invoke, resolver["MaxBatchSize"], request["value"]["payload"])
            self._path = info.path.as_list()
            return self._run(code, "response", {**given, "result": result}).get("value")

        field.resolve = linked if resolver.get("MaxBatchSize") else resolve

    async def _batched(self, field: GraphQLField, invoke: Invoke, most: int, payload: Any) -> Any:
        """Return the function's answer to this payload, batched with other objects that wait for the same field."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        waiting = self._waiting.setdefault(id(field), [])

        def flush() -> None:
            some = self._waiting.pop(id(field))
            assert len(some) <= most
            self.batches.append(len(some))
            for (_, one), answer in zip(some, invoke([given for given, _ in some]), strict=True):
                if not one.done():  # else an object around it has become null
                    one.set_result(answer)

        if not waiting:
            loop.call_soon(flush)
        waiting.append((payload, future))
        return await future

    def _function(self, source: Mapping[str, Any]) -> Invoke:
        if source["Type"] == "NONE":
            return lambda payload: payload
        function = source["LambdaConfig"]["LambdaFunctionArn"]["Fn::GetAtt"][0]
        return next(call for start, call in self._functions.items() if function.startswith(start))

    def _named(self, reference: Mapping[str, Any], sources: Mapping[str, Any]) -> str:
        [logical, _] = reference["Fn::GetAtt"]
        return next(name for name in sources if logical.endswith(name) or name in logical)

    def _run(self, code: str, step: str, context: Any) -> dict[str, Any]:
        """Return the result of a step of a resolver: `value`, or `early`."""
        (self._folder / "resolver.mjs").write_text(code)
        given = json.dumps({"step": step, "context": context})
        run = subprocess.run(
            ["node", self._folder / "run.mjs"], input=given, capture_output=True, text=True, check=True
        )
        out: dict[str, Any] = json.loads(run.stdout)
        if "error" in out:
            error = out["error"]
            extensions = {"errorType": error.get("type"), "errorInfo": error.get("info")}
            raise GraphQLError(error.get("message") or str(error), extensions=extensions)
        self._filters += out.get("filters", ())
        path = list(self._path)
        self._added += [
            {"message": one["message"], "path": path, "errorType": one.get("type"), "errorInfo": one.get("info")}
            for one in out.get("added", ())
        ]
        return out


class _Everything(dict[str, Any]):
    """The root of a subscription's event: every field is the event."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        super().__init__()
        self._event = event

    def get(self, _name: str, _default: Any = None) -> Any:
        return self._event


def _marks(field: GraphQLField) -> set[str]:
    return {one.name.value for one in (field.ast_node.directives or ())} if field.ast_node else set()


def _followed(field: GraphQLField) -> tuple[str, ...]:
    """Return the mutations that a subscription follows."""
    marks = field.ast_node.directives if field.ast_node else ()
    [named] = [mark.arguments[0].value for mark in marks if mark.name.value == "aws_subscribe"]
    return tuple(value.value for value in named.values)  # type: ignore[attr-defined]
