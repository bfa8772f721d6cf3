"""Nested queries through the deployed functions: invocations, requests to DynamoDB, and milliseconds.

Each function runs as on Lambda, from its zip and layers only, under AWS's runtime client, against DynamoDB Local. A proxy counts the
requests. Times are measured without the proxy, in a warm function, from the event to the response, engine included. For AppSync,
the tests' stand-in sends the events of the resolvers, and counts the invocations.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from persisty.deploy.layers import LAYERS
from persisty.deploy.plan import plan_of
from stacks.constructs.code import dependency_layer, function_code, runtime_layer
from stacks.constructs.target import Target
from tests.dynamodb_local import dynamodb_local
from tests.e2e.lambda_process import LambdaProcess, running
from tests.graphql.asking import StandIn

from .deployed_library import app
from .library import AUTHORS, BOOKS, fill

COLUMNS = ("query", "through", "invocations", "requests to DynamoDB", "which", "ms")
SPEC = "benchmarks.deployed_library:app"
ROUNDS = 25
NESTED = f"""{{ authorSearch(limit: {AUTHORS}) {{ items {{ name born house {{ name }}
    books(order: [year_asc], limit: {BOOKS}) {{ items {{ title year }} }} }} }} }}"""
TWICE = f"""{{ authorSearch(limit: {AUTHORS}) {{ items {{ name first: books(order: [year_asc], limit: 1) {{ items {{ title }} }}
    last: books(order: [year_desc], limit: 1) {{ items {{ title }} }} }} }} }}"""
HANDLERS = {
    "appsync": "persisty_lambdas.appsync.handler",
    "graphql": "persisty_lambdas.graphql.handler",
    "rest": "persisty_lambdas.rest.handler",
}
JSON = {"content-type": "application/json"}


class Functions(Struct):
    """The functions over one engine, and the seconds of each invocation."""

    processes: dict[str, LambdaProcess]
    took: list[float] = []

    def invoke(self, name: str, event: Any) -> Any:
        start = time.perf_counter()
        answer = self.processes[name].invoke(event)
        self.took.append(time.perf_counter() - start)
        return answer


class Remote:
    """The AppSync surface for the stand-in. It invokes the function."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def handle(self, event: Any, caller: Any) -> Any:
        return self._functions.invoke("appsync", event)

    def handle_batch(self, events: Any, caller: Any) -> Any:
        return self._functions.invoke("appsync", events)


def _request(method: str, path: str, query: str = "", body: str | None = None) -> dict[str, Any]:
    place = {"http": {"method": method, "path": path}}
    return {"rawPath": path, "rawQueryString": query, "headers": JSON, "requestContext": place, "body": body}


def _by_appsync(text: str) -> Callable[[Functions], Any]:
    def ask(functions: Functions) -> Any:
        answer = StandIn(Remote(functions), app)(text)  # type: ignore[arg-type]
        return answer["data"]["authorSearch"]["items"]

    return ask


def _by_http(text: str) -> Callable[[Functions], Any]:
    def ask(functions: Functions) -> Any:
        answer = functions.invoke("graphql", _request("POST", "/graphql", body=json.dumps({"query": text})))
        return json.loads(answer["body"])["data"]["authorSearch"]["items"]

    return ask


def _by_rest(functions: Functions) -> Any:
    query = f"include=house,books&limit={AUTHORS}"
    return json.loads(functions.invoke("rest", _request("GET", "/api/author", query))["body"])["items"]


ASKED: list[tuple[str, str, Callable[[Functions], Any]]] = [
    (f"{AUTHORS} authors, the house and {BOOKS} books of each", "AppSync", _by_appsync(NESTED)),
    (f"{AUTHORS} authors, the house and {BOOKS} books of each", "HTTP API, GraphQL", _by_http(NESTED)),
    (f"{AUTHORS} authors, the house and {BOOKS} books of each", "HTTP API, REST", _by_rest),
    (f"{AUTHORS} authors, their first and their last book", "AppSync", _by_appsync(TWICE)),
    (f"{AUTHORS} authors, their first and their last book", "HTTP API, GraphQL", _by_http(TWICE)),
]
"""(query, API, function that sends it)."""


def table() -> list[tuple[str, ...]]:
    """Return every query through every API, as rows of the page."""
    os.environ |= KEYS
    found: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        url = stack.enter_context(dynamodb_local())
        counter = stack.enter_context(_counting(url))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _fill(url)
        _unpack(folder)
        counted, timed = (stack.enter_context(_functions(folder, one)) for one in (counter.url, url))
        for what, through, ask in ASKED:
            for functions in (counted, timed):
                if len(ask(functions)) != AUTHORS:
                    raise RuntimeError(f"{through} gives another answer")
            counter.requests.clear()
            counted.took.clear()
            ask(counted)
            requests = Counter(counter.requests)
            named = "; ".join(name if times == 1 else f"{name}, {times} times" for name, times in requests.items())
            taken = [_timed(ask, timed) for _ in range(ROUNDS)]
            numbers = (str(len(counted.took)), str(requests.total()), named, f"{statistics.median(taken) * 1e3:.1f}")
            found.append((what, through, *numbers))
    return found


def _timed(ask: Callable[[Functions], Any], functions: Functions) -> float:
    """Return the seconds in the functions, without the stand-in."""
    functions.took.clear()
    ask(functions)
    return sum(functions.took)


class Counted(Struct):
    """URL of the proxy, and the requests that it counted."""

    url: str
    requests: list[str] = []


@contextmanager
def _counting(url: str) -> Iterator[Counted]:
    """Start a proxy to the engine that records each request."""
    place, counted = urlsplit(url), Counted("")

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            counted.requests.append(self.headers["X-Amz-Target"].rpartition(".")[2])
            engine = HTTPConnection(place.hostname or "", place.port or 80)
            engine.request("POST", "/", body, dict(self.headers))
            answer = engine.getresponse()
            content = answer.read()
            engine.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep the output of the measurements quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    counted.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield counted
    finally:
        server.shutdown()
        server.server_close()


KEYS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def _fill(url: str) -> None:
    app.use(f"dynamodb://us-east-1?endpoint={url}")
    fill(app)
    app.close()


def _unpack(folder: Path) -> None:
    """Unpack the functions' code and layers as on Lambda."""
    target = Target.parse("local")
    shutil.copytree(function_code(plan_of(app, SPEC), target), folder / "task")
    for layer in (*(dependency_layer(name, SPEC, target) for name in LAYERS), runtime_layer(target)):
        shutil.copytree(layer, folder / "opt", dirs_exist_ok=True)


@contextmanager
def _functions(folder: Path, url: str) -> Iterator[Functions]:
    variables = {
        **KEYS, "PERSISTY_APP": SPEC, "PERSISTY_URL": "dynamodb://", "PERSISTY_STAGE": "bench", "AWS_ENDPOINT_URL_DYNAMODB": url,
    }  # fmt: skip
    with ExitStack() as stack:
        yield Functions(
            {name: stack.enter_context(running(folder, handler, variables)) for name, handler in HANDLERS.items()}
        )
