"""AppSync's GraphQL endpoint in small: takes signed requests, checks them against the schema and answers as it does.

A document that does not fit the schema is answered with the errors of graphql-core; what fits is kept in `published` as (field, item
as the subscribers have it). Signatures are checked for what they sign, not whether they are right: `test_sigv4` does that.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import GraphQLSchema, OperationDefinitionNode, graphql_sync, parse

Answer = tuple[int, dict[str, Any]]
SIGNED = "SignedHeaders=content-type;host;x-amz-date"


class Endpoint:
    """`fail`: what is answered instead, if it gives anything; it is asked with each request's body."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[dict[str, Any]] = []
        self.fail: Callable[[dict[str, Any]], Answer | None] = lambda _: None
        self.url = ""
        self._schema, self._lock = schema, threading.Lock()
        for name, field in (schema.mutation_type.fields if schema.mutation_type else {}).items():
            field.resolve = self._resolver(name)

    def answer(self, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        if SIGNED not in headers.get("authorization", "") or "/appsync/aws4_request" not in headers["authorization"]:
            return 401, {"errors": [{"errorType": "UnauthorizedException", "message": "Permission denied"}]}
        with self._lock:
            self.requests.append(body)
            failure = self.fail(body)
            if failure is not None:
                return failure
            [operation] = [one for one in parse(body["query"]).definitions if isinstance(one, OperationDefinitionNode)]
            result = graphql_sync(self._schema, body["query"], variable_values=body["variables"])
            if result.errors:
                kind = "MappingTemplate" if result.data else "ValidationError"
                return 200, {"data": result.data, "errors": [{"errorType": kind, "message": str(result.errors[0])}]}
            [field] = operation.selection_set.selections
            [(name, item)] = (result.data or {}).items()
            assert name == field.name.value  # type: ignore[union-attr]  # an alias would not reach subscribers
            self.published.append((name, item))
            return 200, {"data": result.data}

    @staticmethod
    def _resolver(name: str) -> Callable[..., Any]:
        return lambda _root, _info, item: item


@contextmanager
def endpoint(schema: GraphQLSchema) -> Iterator[Endpoint]:
    """An endpoint for the schema, at its `url`."""
    found = Endpoint(schema)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = (404, {}) if self.path != "/graphql" else found.answer(headers, json.loads(body))
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/graphql"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
