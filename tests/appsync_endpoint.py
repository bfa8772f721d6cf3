"""A small version of AppSync's GraphQL endpoint: it accepts signed requests, executes them and responds like AppSync.

Signatures are checked for what they sign, not whether they are right: `test_sigv4` does that.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import FieldNode, GraphQLSchema, Visitor, graphql_sync, parse, visit

Answer = tuple[int, dict[str, Any]]
SIGNED = "SignedHeaders=content-type;host;x-amz-date"


Execute = Callable[[str, dict[str, Any]], dict[str, Any]]
"""(query, variables) → `{"data": …, "errors": […]}`, errors with AppSync's `errorType`."""


class Endpoint:
    """`published`: (field, what it answered). `fail`: what is answered instead, if it gives anything; asked with each request's body."""

    def __init__(self, execute: Execute) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[dict[str, Any]] = []
        self.fail: Callable[[dict[str, Any]], Answer | None] = lambda _: None
        self.url = ""
        self._execute, self._lock = execute, threading.Lock()

    def answer(self, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        if SIGNED not in headers.get("authorization", "") or "/appsync/aws4_request" not in headers["authorization"]:
            return 401, {"errors": [{"errorType": "UnauthorizedException", "message": "Permission denied"}]}
        with self._lock:
            self.requests.append(body)
            failure = self.fail(body)
            if failure is not None:
                return failure
            answer = self._execute(body["query"], body["variables"])
            if not answer.get("errors"):
                self.published += answer["data"].items()
            return 200, answer


def echoing(schema: GraphQLSchema) -> Execute:
    """Return a function that executes mutations of the schema. Each returns its arguments, under the name of its field and not under an alias."""
    for field in (schema.mutation_type.fields if schema.mutation_type else {}).values():
        field.resolve = lambda _root, _info, item: item

    def execute(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        result = graphql_sync(schema, query, variable_values=variables)
        if result.errors:
            kind = "MappingTemplate" if result.data else "ValidationError"
            return {"data": result.data, "errors": [{"errorType": kind, "message": str(result.errors[0])}]}
        assert aliases(query) == []
        return {"data": result.data}

    return execute


def aliases(query: str) -> list[str]:
    """Return the aliases in a document. Fields with an alias do not reach subscribers under their names."""
    found: list[str] = []

    class Finder(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            found.extend([node.alias.value] if node.alias else [])

    visit(parse(query), Finder())
    return found


@contextmanager
def endpoint(execute: Execute) -> Iterator[Endpoint]:
    """Run an endpoint, and return it with its `url`."""
    found = Endpoint(execute)

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
