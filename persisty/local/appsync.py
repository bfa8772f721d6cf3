"""AppSync on this machine: the deployed schema, resolvers and functions, for queries, mutations and the start of subscriptions.

graphql-core parses, validates and completes. A field with a resolver runs the resolver's JavaScript around an invocation of its function. Links that
wait together are sent as one list, as `BatchInvoke` does.

Source: "Authorization and authentication" and "Resolver reference (JavaScript)" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from anyio import to_thread
from graphql import GraphQLError, GraphQLField, graphql
from msgspec import Struct, structs

from .deployed import GraphqlApi, Resolver
from .functions import FunctionFailed
from .graphql_fields import DIRECTIVES, IAM, KEY, LAMBDA, marks, schema_of, selection
from .resolvers import Resolvers, Step

Invoke = Callable[[str, Any], Any]
"""(logical id of a function, event) → its result. `FunctionFailed` for an error."""
SIGNED = "AWS4-HMAC-SHA256 "
UNAUTHORIZED = "UnauthorizedException"


class Refused(Exception):
    """A request that AppSync refuses before it executes anything: status 401."""


class Caller(Struct, frozen=True):
    """A caller whose mode the request's headers have chosen. `mark`: the directive of fields that it reaches; the default mode also reaches fields
    without a directive."""

    mark: str
    default: bool
    identity: Mapping[str, Any] | None
    headers: Mapping[str, str]


class Request(Struct):
    """The state of one execution. `added`: errors that resolvers appended. `filters`: of a subscription. `waiting`: objects that wait for a link."""

    caller: Caller
    added: list[dict[str, Any]] = []
    filters: list[Mapping[str, Any]] = []
    waiting: dict[int, list[tuple[Any, asyncio.Future[Any]]]] = {}


class AppSync:
    """Answers requests to a deployed API. `invoke` runs functions."""

    def __init__(self, api: GraphqlApi, invoke: Invoke, resolvers: Resolvers) -> None:
        self.api, self.schema = api, schema_of(api.sdl)
        self._invoke, self._resolvers = invoke, resolvers
        for resolver in api.resolvers:
            type_: Any = self.schema.get_type(resolver.type)
            field = type_.fields[resolver.field]
            field.resolve = self._resolver(field, resolver)

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller that the headers name: a signature, an API key or a token. `Refused` if no mode of the API takes them."""
        modes = [DIRECTIVES[mode] for mode in self.api.modes]
        given = headers.get("authorization", "")
        if given.startswith(SIGNED) and IAM in modes:
            return Caller(IAM, modes[0] == IAM, None, headers)
        if given and LAMBDA in modes and self.api.authorizer is not None:
            event = {
                "authorizationToken": given,
                "requestContext": {"apiId": self.api.id},
                "requestHeaders": dict(headers),
            }
            try:
                answer = await to_thread.run_sync(self._invoke, self.api.authorizer, event)
            except FunctionFailed as error:
                raise Refused(UNAUTHORIZED) from error
            if answer.get("isAuthorized") is not True:
                raise Refused(UNAUTHORIZED)
            identity = {"resolverContext": answer.get("resolverContext") or {}}
            return Caller(LAMBDA, modes[0] == LAMBDA, identity, headers)
        if headers.get("x-api-key") in self.api.keys and KEY in modes:
            return Caller(KEY, modes[0] == KEY, None, headers)
        raise Refused(UNAUTHORIZED)

    async def execute(
        self, document: str, variables: Mapping[str, Any] | None, name: str | None, request: Request
    ) -> dict[str, Any]:
        """Return the response to a document."""
        result = await graphql(
            self.schema, document, variable_values=dict(variables or {}), operation_name=name, context_value=request
        )
        errors = [as_sent(error) for error in result.errors or ()] + request.added
        return {"data": result.data, **({"errors": errors} if errors else {})}

    def _resolver(self, field: GraphQLField, resolver: Resolver) -> Callable[..., Any]:
        async def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            request: Request = info.context
            self._authorize(field, request.caller)
            context = {
                "arguments": arguments,
                "source": source,
                "identity": request.caller.identity,
                "request": {"headers": dict(request.caller.headers)},
                "info": {"fieldName": info.field_name, "parentTypeName": info.parent_type.name, **selection(info)},
            }
            step = self._step(resolver, "request", context, info)
            if step.early:
                return step.value
            invocation = step.value if isinstance(step.value, Mapping) else {}
            payload = invocation.get("payload")
            try:
                if resolver.function is None:
                    context["result"] = payload
                elif resolver.batch and invocation.get("operation") == "BatchInvoke":
                    context["result"] = await self._batched(resolver, resolver.function, payload, request)
                else:
                    context["result"] = await to_thread.run_sync(self._invoke, resolver.function, payload)
            except FunctionFailed as error:
                context["error"] = {"message": str(error), "type": f"Lambda:{error.kind}"}
            return self._step(resolver, "response", context, info).value

        return resolve

    def _authorize(self, field: GraphQLField, caller: Caller) -> None:
        """Raise AppSync's error for a field that the caller's mode does not reach."""
        required = marks(field)
        if caller.mark not in required if required else not caller.default:
            raise GraphQLError("Not Authorized", extensions={"errorType": "Unauthorized"})

    def _step(self, resolver: Resolver, step: str, context: Mapping[str, Any], info: Any) -> Step:
        done = self._resolvers.run(resolver.code, step, context)
        path, request = info.path.as_list(), info.context
        for one in done.added:
            error = {
                "path": path,
                "message": one["message"],
                "errorType": one.get("type"),
                "errorInfo": one.get("info"),
            }
            request.added.append({**error, "data": one.get("data")})
        request.filters.extend(done.filters)
        if done.error is not None:
            extensions = {"errorType": done.error.get("type"), "errorInfo": done.error.get("info")}
            raise GraphQLError(done.error.get("message") or "Error", extensions=extensions)
        return done

    async def _batched(self, resolver: Resolver, function: str, payload: Any, request: Request) -> Any:
        """Return the function's result for this object, asked together with the other objects that wait for the same link."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        waiting = request.waiting.setdefault(id(resolver), [])
        waiting.append((payload, future))
        if len(waiting) == 1:
            loop.call_soon(lambda: asyncio.ensure_future(self._flush(resolver, function, request)))
        return await future

    async def _flush(self, resolver: Resolver, function: str, request: Request) -> None:
        some = request.waiting.pop(id(resolver))
        for start in range(0, len(some), resolver.batch):
            part = some[start : start + resolver.batch]
            try:
                results = await to_thread.run_sync(self._invoke, function, [payload for payload, _ in part])
            except FunctionFailed as error:
                for _, future in part:
                    future.set_exception(error)
                continue
            for (_, future), result in zip(part, results, strict=True):
                if not future.done():
                    future.set_result(result)


def as_sent(error: GraphQLError) -> dict[str, Any]:
    """Return an error as AppSync sends it: its type and info next to its message."""
    extensions = error.extensions or {}
    kind = extensions.get("errorType") or ("ValidationError" if error.path is None else None)
    places = [{"line": one.line, "column": one.column, "sourceName": None} for one in error.locations or ()]
    return {
        "path": error.path, "data": None, "errorType": kind, "errorInfo": extensions.get("errorInfo"),
        "locations": places or None, "message": error.message,
    }  # fmt: skip


def fresh(caller: Caller) -> Request:
    """Return the state of a new execution."""
    return structs.replace(Request(caller), added=[], filters=[], waiting={})
