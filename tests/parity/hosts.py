"""The hosts that the table runs through, each with its own app: the server at a port, the functions behind an HTTP API, and AppSync with its
function, which `tests/graphql/asking.py` simulates."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import re
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
import uvicorn

from persisty.api.graphql.appsync.function import AppSync
from persisty.hosting.server import Server
from persisty.hosting.uvicorn_protocols import Protocol
from persisty.security.caller import ANONYMOUS, Caller
from tests.graphql.asking import StandIn
from tests.shop import Article, Maker, Note, Origin, Size, Slot, app

from .table import Row, item_id

SECRET = "a secret of these tests, and of nothing else in the whole wide world"
CALLERS = {"nobody": ANONYMOUS, "ann": Caller("ann"), "staff": Caller("bob", frozenset({"staff"}))}
MOMENT = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
"""Values that differ between runs: times."""

Answer = tuple[int, bytes]
Ask = Callable[[Row], Answer]


def fill() -> None:
    """Return the same initial app for every host."""
    makers, articles, slots, notes = (app.store(one) for one in (Maker, Article, Slot, Note))
    for number, name in ((900, "Ann & Sons"), (901, "Böll")):
        makers.create({"id": item_id(number), "name": name})
    codes = ("one", "two", "three", "four", "äpfel", "a b")
    for number, code in enumerate(codes, 1):
        articles.create(
            {
                "id": item_id(number), "code": code, "price": f"{number}.10", "stock": number, "weight": number / 3,
                "size": Size.LARGE if number % 2 else Size.SMALL, "tags": [code, "second"][: number % 3],
                "origin": Origin("de", number) if number % 2 else None, "since": f"2020-01-0{number}",
                "picture": b"\x00\xff" if number == 1 else None, "cost": number,
                "hidden": number == 2, "maker_id": item_id(900 + number % 2),
            }
        )  # fmt: skip
    for shelf, place in (("a/b", 3), ("ä b,3", 1), ("%2F", 0)):
        slots.create({"shelf": shelf, "place": place, "article_id": item_id(1)})
    for number, owner in ((700, "ann"), (701, "bob")):
        notes.create(Note(id=item_id(number), text="mine", owner=owner))


def dump() -> dict[str, list[Any]]:
    """Return the stored items without times."""
    found: dict[str, list[Any]] = {}
    for name in app.metas:
        items = msgspec.to_builtins([*app.store(name).search_all()])
        plain = json.loads(MOMENT.sub(b"now", json.dumps(items).encode()))
        found[name] = sorted(plain, key=lambda one: json.dumps(one, sort_keys=True))
    return found


@contextmanager
def world(url: str) -> Iterator[None]:
    app.use(url)
    app.prepare()
    fill()
    yield
    app.close()


def headers(row: Row) -> dict[str, str]:
    caller = CALLERS[row.who]
    token = {} if caller is ANONYMOUS else {"authorization": f"Bearer {app.authenticator.token(caller)}"}
    return {**token, **row.headers}


@contextmanager
def hosted() -> Iterator[Ask]:
    config = uvicorn.Config(Server(app), port=0, http=Protocol, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(row: Row) -> Answer:
        target = row.path + (f"?{row.query}" if row.query else "")
        connection.request(row.method, target, row.body or None, headers(row))
        response = connection.getresponse()
        return response.status, response.read()

    yield ask
    connection.close()
    server.should_exit = True
    thread.join(20)


def _fresh(name: str) -> ModuleType:
    """Return a function's module as in a new process: other tests may have imported it for another app and configured its logger."""
    sys.modules.pop(name, None)
    logger = logging.getLogger("persisty")
    logger.handlers.clear()
    for mark in ("init", "powertools_handler"):  # by which Powertools knows a logger that it has configured
        vars(logger).pop(mark, None)
    return import_module(name)


@contextmanager
def gateway() -> Iterator[Ask]:
    """Return the path in the form of an HTTP API: decoded, except `%25`."""
    functions = {name: _fresh(f"lambdas.{name}") for name in ("rest", "graphql")}
    context = SimpleNamespace(
        function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="r", log_stream_name="l"
    )

    def ask(row: Row) -> Answer:
        path = unquote(row.path.replace("%25", "%2525"))
        event: dict[str, Any] = {
            "version": "2.0", "rawPath": path, "rawQueryString": row.query, "headers": headers(row),
            "requestContext": {"http": {"method": row.method, "path": path}, "requestId": "r"},
            "isBase64Encoded": bool(row.body), **({"body": b64encode(row.body).decode()} if row.body else {}),
        }  # fmt: skip
        function = functions["graphql" if row.path == "/graphql" else "rest"]
        answer = function.handler(json.loads(json.dumps(event)), context)
        body = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
        # to HEAD an HTTP API sends no body, whatever the function gives
        return answer["statusCode"], b"" if row.method == "HEAD" else body

    yield ask


@contextmanager
def appsync() -> Iterator[Ask]:
    stand_in = StandIn(AppSync(app), app)

    def ask(row: Row) -> Answer:
        text, variables = row.graphql or ("", {})
        stand_in.caller = CALLERS[row.who]
        return 200, json.dumps(stand_in(text, **variables)).encode()

    yield ask


HOSTS: dict[str, Callable[[], Any]] = {"hosted": hosted, "gateway": gateway, "appsync": appsync}


def plain(answer: Answer) -> Answer:
    status, body = answer
    return status, MOMENT.sub(b"now", gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


def as_appsync(body: bytes) -> Mapping[str, Any]:
    """Return the comparable part of a GraphQL response: without the locations of errors, which differ on AppSync."""
    found = json.loads(body)
    if "errors" in found:
        found["errors"] = sorted(
            ({name: one.get(name) for name in ("message", "path", "extensions")} for one in found["errors"]),
            key=lambda one: json.dumps(one, sort_keys=True),
        )
    return found


@pytest.fixture(scope="module", autouse=True)
def settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
        patch.setenv("PERSISTY_APP", "tests.shop:app")
        patch.setenv("PERSISTY_URL", "memory://")
        patch.setenv("POWERTOOLS_TRACE_DISABLED", "1")
        yield
