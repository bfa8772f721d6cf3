"""Below a root path, routing works and every URL in a response is that of the client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from lambdas.http_event import answered
from persisty import App, InvalidDeclaration, public, stored
from persisty.api.http.root_path import below, root_path_of
from persisty.api.rest.endpoint import Rest
from persisty.hosting.observability import observed
from persisty.hosting.server import Server


@stored(access=public)
class Pot:
    id: str
    name: str = ""


@pytest.fixture
def app() -> Iterator[App]:
    made = App("pots", items=[Pot], url="memory://")
    yield made
    made.close()


def mounted(app: App, at: str = "/shop") -> Starlette:
    server = Server(app)

    @asynccontextmanager
    async def lifespan(outer: Starlette) -> AsyncIterator[None]:
        async with server.lifespan():
            yield

    return Starlette(routes=[Mount(at, server)], lifespan=lifespan)


def with_root_path(inner: ASGIApp, root: str, *, included: bool) -> ASGIApp:
    """The application as a server with `--root-path` calls it: with the root path in the path, or without."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            path = root + scope["path"] if included else scope["path"]
            scope = {**scope, "root_path": root, "path": path}
        await inner(scope, receive, send)

    return outer


def stripped(inner: ASGIApp, root: str) -> ASGIApp:
    """The application behind a proxy that removes the root path."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "path": scope["path"].removeprefix(root)}
        await inner(scope, receive, send)

    return outer


def through(kind: str, app: App, root: str, patch: pytest.MonkeyPatch) -> tuple[ASGIApp, str]:
    """Return a host below the root path, and the prefix of the paths in its requests."""
    if kind == "mounted":
        return mounted(app, root), root
    if kind == "root_path in the path":
        return with_root_path(Server(app), root, included=True), ""
    if kind == "root_path apart from the path":
        return with_root_path(Server(app), root, included=False), ""
    if kind == "mounted behind a proxy":
        return with_root_path(mounted(app, "/inner"), root.removesuffix("/inner"), included=False), "/inner"
    patch.setenv("PERSISTY_ROOT_PATH", f"{root}/")
    if kind == "setting, observed":
        return observed(app, metrics=True), root
    return (Server(app), root) if kind == "setting" else (stripped(Server(app), root), root)


KINDS = (
    "mounted",
    "mounted behind a proxy",
    "root_path in the path",
    "root_path apart from the path",
    "setting",
    "setting, observed",
    "setting, stripped",
)
ROOTS = ("/shop", "/a/b-c", "/api", "/docs")


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_path_and_url_is_below_the_root_path(
    app: App, kind: str, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "root_path apart from the path" and root in ("/api", "/docs"):
        root = "/below" + root  # of such a server, `/api/pot` below `/api` would be ambiguous
    if kind == "mounted behind a proxy":
        root += "/inner"
    host, before = through(kind, app, root, monkeypatch)
    with TestClient(host, follow_redirects=False) as client:
        made = client.post(f"{before}/api/pot", json={"id": "ä/b"})
        assert (made.status_code, made.headers["location"]) == (201, f"{root}/api/pot/%C3%A4%2Fb")
        client.post(f"{before}/api/pot", json={"id": "c"})
        assert client.get(made.headers["location"].replace(root, before, 1)).json()["id"] == "ä/b"
        page = client.get(f"{before}/api/pot?limit=1&order=id")
        assert page.headers["link"].startswith(f"<{root}/api/pot?limit=1&order=id&cursor=")
        document = client.get(f"{before}/openapi.json").json()
        assert document["servers"] == [{"url": root}]
        assert "/api/pot" in document["paths"]
        assert client.get(f"{before}/ready").json() == {"status": "ready"}
        assert client.get(f"{before}/health").status_code == 200
        assert client.post(f"{before}/graphql", json={"query": "{ potCount }"}).json() == {"data": {"potCount": 2}}
        for path in ("/", "/docs", "/graphiql"):
            text = client.get(f"{before}{path}").text
            assert 'href="' in text
            assert 'href="/' not in text
            assert 'src="/' not in text
        assert client.get(f"{before}/pages/icon.svg").status_code == 200
        if before and kind != "mounted behind a proxy" and root not in ("/api", "/docs"):
            end = client.get(before)
            assert (end.status_code, end.headers["location"].removeprefix("http://testserver")) == (307, f"{root}/")
        with client.websocket_connect(f"{before}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
            socket.send_json({"type": "connection_init"})
            assert socket.receive_json()["type"] == "connection_ack"
        if kind == "setting, observed":
            assert 'route="/api/pot"' in client.get(f"{before}/metrics").text
        assert client.get(f"{before}/nothing").status_code == 404


def test_without_a_root_path_no_url_changes(app: App) -> None:
    with TestClient(Server(app)) as client:
        assert client.post("/api/pot", json={"id": "a"}).headers["location"] == "/api/pot/a"
        assert "servers" not in client.get("/openapi.json").json()
        assert client.get("/shop/api/pot").status_code == 404


def test_two_mounts_of_one_app_have_a_document_each(app: App) -> None:
    server = Server(app)
    client = TestClient(Starlette(routes=[Mount("/one", server), Mount("/two", server)]))
    assert [client.get(f"/{one}/openapi.json").json()["servers"] for one in ("one", "two", "one")] == [
        [{"url": "/one"}],
        [{"url": "/two"}],
        [{"url": "/one"}],
    ]


@pytest.mark.parametrize("given", ["shop", "/a b", "//", "/a//b", "/a/../b", "http://x/y", "/ä", "/a?b"])
def test_an_invalid_root_path_stops_the_start(app: App, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_ROOT_PATH", given)
    if given.strip("/"):
        with pytest.raises(InvalidDeclaration) as caught:
            Server(app)
        assert [one.path for one in caught.value.faults] == ["/PERSISTY_ROOT_PATH"]
    else:
        assert root_path_of(given) == ""


@pytest.mark.parametrize(
    ("root", "path", "rest"),
    [
        ("/shop", "/shop/api/pot", "/api/pot"),
        ("/shop", "/shop", ""),
        ("/shop", "/shop/", "/"),
        ("/shop", "/shopping", "/shopping"),
        ("/shop", "/api/pot", "/api/pot"),
        ("/api", "/api/pot", "/api/pot"),
        ("/api", "/api/api/pot", "/api/pot"),
        ("/api", "/api/docs", "/docs"),
        ("/docs", "/docs", "/docs"),
        ("/docs", "/docs/", "/"),
    ],
)
def test_a_path_is_the_same_whether_or_not_a_proxy_removes_the_root_path(root: str, path: str, rest: str) -> None:
    assert below(root, path) == rest


def event(path: str, route: str | None, stage: str = "$default", **parameters: str) -> dict[str, Any]:
    return {
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST" if path.endswith("pot") else "GET"}, "stage": stage},
        "body": json.dumps({"id": path.replace("/", "-")}),
        **({} if route is None else {"routeKey": route, "pathParameters": parameters}),
    }


@pytest.mark.parametrize(
    ("path", "route", "stage", "root"),
    [
        ("/api/pot", "ANY /api/{proxy+}", "$default", ""),
        ("/dev/api/pot", "ANY /api/{proxy+}", "dev", "/dev"),
        ("/api/api/pot", "ANY /api/{proxy+}", "api", "/api"),
        ("/api/pot", "ANY /api/{proxy+}", "api", ""),
        ("/v1/shop/api/pot", "ANY /api/{proxy+}", "$default", "/v1/shop"),
        ("/dev/api/pot", "$default", "dev", "/dev"),
        ("/dev/api/pot", None, "dev", "/dev"),
        ("/api/pot", None, "dev", ""),
    ],
)
def test_a_stage_and_an_api_mapping_are_root_paths(
    app: App, path: str, route: str | None, stage: str, root: str
) -> None:
    rest = Rest(app)
    answer = answered(rest.handle, event(path, route, stage, proxy="pot"))
    key = path.replace("/", "-")
    assert (answer["statusCode"], answer["headers"]["location"]) == (201, f"{root}/api/pot/{key}")
    document = answered(rest.handle, event(f"{root}/openapi.json", route and "ANY /openapi.json", stage))
    assert json.loads(document["body"]).get("servers") == ([{"url": root}] if root else None)


def test_a_configured_root_path_replaces_the_one_of_the_event(app: App) -> None:
    rest = Rest(app)
    for path in ("/api/pot", "/dev/api/pot", "/shop/api/pot"):
        answer = answered(rest.handle, event(path, None, "dev"), "/shop")
        assert answer["headers"]["location"].startswith("/shop/api/pot/")


def test_the_lifespan_of_a_mounted_server_creates_tables_and_closes_the_app() -> None:
    app = App("pots", items=[Pot], url="sqlite://")
    with TestClient(mounted(app)) as client:
        assert client.get("/shop/ready").status_code == 200
        assert client.post("/shop/api/pot", json={"id": "a"}).status_code == 201
        assert client.get("/shop/api/pot").json()["items"] == [{"id": "a", "name": ""}]


@pytest.mark.parametrize("key", ["a%2Fb", "a/b", "50%", "100%25", "ü %41", "a+b?c#d"])
def test_a_test_client_finds_an_item_at_its_location_whatever_its_key(app: App, key: str) -> None:
    app.prepare()
    for server in (Server(app), mounted(app)):
        with TestClient(server) as client:
            at = "" if isinstance(server, Server) else "/shop"
            made = client.post(f"{at}/api/pot", json={"id": key})
            assert made.status_code == 201
            found = client.get(made.headers["location"])
            assert (found.status_code, found.json()["id"]) == (200, key)
            assert client.delete(made.headers["location"]).status_code == 204
