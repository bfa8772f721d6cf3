"""The example is deployed by the real CDK CLI, and answers as it does on a laptop."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from examples.messenger.app import app
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.authentication import Identified
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest

from .. import tokens
from . import conversation
from .appsync_gateway import appsync
from .deployment import Deployment
from .emulators import REGION
from .lambda_process import LambdaProcess, running

JSON = {"content-type": "application/json"}


def _variables(deployment: Deployment, function: str) -> dict[str, str]:
    """Return the function's environment, with the region and credentials that Lambda adds."""
    return {
        **deployment.variables(function),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL_DYNAMODB": deployment.url,
        "PERSISTY_URL": "dynamodb://?partiql=0",  # moto does not support such statements
        "PERSISTY_TOKEN_SECRET": tokens.SECRET,  # the SDK that would read it is part of Lambda, not of the function
        "PERSISTY_TOKEN_SECRET_ARN": "",
    }


def _headers(body: bytes | None, token: str | None) -> dict[str, str]:
    return (JSON if body is not None else {}) | ({"authorization": f"Bearer {token}"} if token else {})


def _event(method: str, path: str, query: str, body: bytes | None, token: str | None) -> dict[str, Any]:
    """Return an event of an HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "ANY /api/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": _headers(body, token),
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1"}, "stage": "$default"},
        "isBase64Encoded": False,
        **({"body": body.decode()} if body is not None else {}),
    }


@pytest.fixture(scope="module")
def rest_function(on_moto: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaProcess]:
    folder = tmp_path_factory.mktemp("rest")
    on_moto.unpack("Rest", folder)
    with running(folder, "persisty_lambdas.rest.handler", _variables(on_moto, "Rest")) as process:
        yield process


@pytest.fixture(scope="module")
def graphql_function(on_moto: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaProcess]:
    folder = tmp_path_factory.mktemp("graphql")
    on_moto.unpack("GraphqlHttp", folder)
    with running(folder, "persisty_lambdas.graphql.handler", _variables(on_moto, "GraphqlHttp")) as process:
        yield process


@pytest.fixture(scope="module")
def authorizer(on_moto: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaProcess]:
    folder = tmp_path_factory.mktemp("authorizer")
    on_moto.unpack("Authorizer", folder)
    with running(folder, "persisty_lambdas.authorizer.handler", _variables(on_moto, "Authorizer")) as process:
        yield process


@pytest.fixture(scope="module")
def appsync_function(on_moto: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaProcess]:
    folder = tmp_path_factory.mktemp("appsync")
    on_moto.unpack("Appsync", folder)
    with running(folder, "persisty_lambdas.appsync.handler", _variables(on_moto, "Appsync")) as process:
        yield process


def test_the_rest_function_answers_events_from_its_own_code_and_layers(rest_function: LambdaProcess) -> None:
    conversation.rest(lambda *given: _sent(rest_function, *given))


def _sent(
    function: LambdaProcess, method: str, path: str, query: str, body: bytes | None, token: str | None
) -> tuple[int, dict[str, str], Any]:
    answer = function.invoke(_event(method, path, query, body, token))
    return answer["statusCode"], answer["headers"], json.loads(answer["body"]) if answer["body"] else None


def test_the_graphql_function_answers_whole_requests(graphql_function: LambdaProcess) -> None:
    conversation.graphql(_asker(lambda *given: _sent(graphql_function, *given)))
    query = urlencode({"query": "{ statistics { messages } }"})
    by_get = _sent(graphql_function, "GET", "/graphql", query, None, None)
    assert by_get[::2] == (200, {"data": {"statistics": {"messages": 0}}})
    assert _sent(graphql_function, "DELETE", "/graphql", "", None, None)[0] == 405


def test_the_authorizer_accepts_valid_tokens(authorizer: LambdaProcess) -> None:
    said = authorizer.invoke({"authorizationToken": tokens.own(aud=None), "requestContext": {"apiId": "x"}})
    assert (said["isAuthorized"], said["deniedFields"]) == (True, [])
    assert json.loads(said["resolverContext"]["claims"])["sub"] == "ann"
    assert 0 < said["ttlOverride"] <= 300
    for token in ("", "x.y.z", tokens.own(aud=None, exp=1), tokens.own(aud=None) + "x"):
        assert authorizer.invoke({"authorizationToken": token}) == {"isAuthorized": False}


def test_the_appsync_function_answers_every_field_of_the_template(
    on_moto: Deployment, appsync_function: LambdaProcess, tmp_path: Path
) -> None:
    with appsync(on_moto.template, {"Appsync": appsync_function.invoke}, tmp_path) as gateway:
        conversation.graphql(gateway.ask)


def test_appsync_authorizes_fields_by_their_directives(
    on_moto: Deployment, appsync_function: LambdaProcess, authorizer: LambdaProcess, tmp_path: Path
) -> None:
    functions = {"Appsync": appsync_function.invoke}
    with appsync(on_moto.template, functions, tmp_path, authorizer.invoke) as gateway:
        conversation.graphql(gateway.ask, stranger="Unauthorized")
        [error] = gateway.ask("{ statistics { messages } }", token="x.y.z")["errors"]
        assert error["errorType"] == "UnauthorizedException"


LINKS: list[tuple[str, int]] = [
    ("{ userSearch { items { username messages(order: [text_asc]) { items { text author { username } } } message_count } } }", 0),
    ("{ userSearch { items { a: messages(limit: 1, order: [text_asc]) { items { text } } b: messages(limit: 2, order: [text_desc]) { items { text } } } } }", 1),
    ("{ messageSearch(order: [text_asc]) { items { ...f } } } fragment f on Message { writer: author { username message_count } }", 1),
    ('query ($w: MessageWhere = {text: {eq: "note 01"}}) { userSearch { items { message_count(where: $w) messages { cursor } } } }', 1),
]  # fmt: skip
"""A request with links → the batches that AppSync sends for it in addition to the root field."""


def test_links_have_the_same_answers_by_batches_of_appsync_as_in_a_whole_request(
    on_moto: Deployment, appsync_function: LambdaProcess, graphql_function: LambdaProcess, tmp_path: Path
) -> None:
    ask = _asker(lambda *given: _sent(graphql_function, *given))
    sessions = [ask(conversation.SIGN_UP, {"username": name, "password": conversation.PASSWORD}, None) for name in "ab"]
    people = [(one["data"]["signUp"]["user_id"], one["data"]["signUp"]["token"]) for one in sessions]
    for _, token in people:
        for text in conversation.TEXTS[:2]:
            assert "errors" not in ask(conversation.CREATE, {"item": {"text": text}}, token)
    token = people[0][1]
    with appsync(on_moto.template, {"Appsync": appsync_function.invoke}, tmp_path) as gateway:
        for text, batches in LINKS:
            gateway.batches.clear()
            wanted = ask(text, {}, token)
            assert "errors" not in wanted
            assert gateway.ask(text, {}, token) == wanted
            assert len(gateway.batches) == batches
            assert all(size > 1 for size in gateway.batches)
    for key, token in people:
        assert ask("mutation($key: ID!) { userDelete(key: $key) }", {"key": key}, token) == {
            "data": {"userDelete": True}
        }


def _http(method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, dict[str, str], Any]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            status, given, content = response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        status, given, content = error.code, error.headers, error.read()
    return status, {name.lower(): value for name, value in given.items()}, json.loads(content) if content else None


def _sender(deployment: Deployment) -> conversation.Send:
    """Send requests to the deployed HTTP API by its path. The host of its URL does not resolve, and ministack itself answers `/health` of
    every host."""
    api = urlsplit(deployment.outputs()["HttpUrl"]).netloc.partition(".")[0]
    base = f"{deployment.url}/_aws/execute-api/{api}/$default"

    def send(
        method: str, path: str, query: str, body: bytes | None, token: str | None
    ) -> tuple[int, dict[str, str], Any]:
        return _http(method, base + path + (f"?{query}" if query else ""), _headers(body, token), body)

    return send


def test_the_http_api_answers_at_its_url(on_ministack: Deployment) -> None:
    conversation.rest(_sender(on_ministack))


def _asker(send: conversation.Send) -> conversation.Ask:
    """Send whole requests to the deployed HTTP API."""

    def ask(query: str, variables: dict[str, Any], token: str | None) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        status, _, answer = send("POST", "/graphql", "", body, token)
        assert status == 200
        found: dict[str, Any] = answer
        return found

    return ask


def test_whole_graphql_requests_are_answered_at_the_url_of_the_http_api(on_ministack: Deployment) -> None:
    send = _sender(on_ministack)
    conversation.graphql(_asker(send))
    query = urlencode({"query": "{ statistics { messages } }"})
    assert send("GET", "/graphql", query, None, None)[::2] == (200, {"data": {"statistics": {"messages": 0}}})
    status, headers, refused = send("POST", "/graphql", "", b"{}", "x.y.z")
    assert (status, headers["www-authenticate"], refused["code"]) == (
        401,
        'Bearer error="invalid_token"',
        "unauthenticated",
    )


def test_the_graphql_api_answers_authorized_callers_at_its_url(on_ministack: Deployment) -> None:
    """ministack invokes the authorizer for every request, so an API key alone is rejected. Callers without a token use the HTTP API."""
    without_token = _asker(_sender(on_ministack))
    outputs, client = on_ministack.outputs(), on_ministack.client("appsync")
    [key] = client.list_api_keys(apiId=outputs["GraphqlApiId"])["apiKeys"]
    place = urlsplit(outputs["GraphqlUrl"])
    known = {**JSON, "Host": place.netloc, "x-api-key": key["id"]}
    asked: list[int] = []

    def ask(query: str, variables: dict[str, Any], token: str | None) -> dict[str, Any]:
        if token is None:
            return without_token(query, variables, None)
        body = json.dumps({"query": query, "variables": variables}).encode()
        status, _, answer = _http("POST", on_ministack.url + place.path, known | _headers(body, token), body)
        asked.append(status)
        found: dict[str, Any] = answer
        return found

    conversation.graphql(ask, faults=False)  # ministack drops errorInfo
    assert len(asked) > 20
    assert set(asked) == {200}
    refused = ask("{ statistics { messages } }", {}, "x.y.z")
    assert asked[-1] == 401
    assert refused["errors"][0]["errorType"] == "UnauthorizedException"


def test_a_function_may_do_only_what_its_role_grants(on_ministack: Deployment) -> None:
    send, iam = _sender(on_ministack), on_ministack.client("iam")
    account = json.dumps({"username": "granted", "password": conversation.PASSWORD}).encode()
    token = send("POST", "/actions/sign-up", "", account, None)[2]["token"]
    function = on_ministack.function("Rest")
    role = function["Role"].rpartition("/")[2]
    [name] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert send("GET", "/api/user", "", None, token)[0] == 200
    kept = [one for one in policy["Statement"] if "dynamodb:Scan" not in one["Action"]]
    document = json.dumps({**policy, "Statement": kept})
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
    try:
        status, _, problem = send("GET", "/api/user", "", None, token)
        assert (status, problem["code"]) == (503, "backend_unavailable")
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
    assert send("GET", "/api/user", "", None, token)[0] == 200


def test_the_same_conversations_hold_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app._engines, "url", "memory://")
    app.close()
    app.authenticator = tokens.authenticator()
    surface, endpoint = (Identified(one.handle, app.authenticator) for one in (Rest(app), GraphqlEndpoint(app)))

    def send(
        method: str, path: str, query: str, body: bytes | None, token: str | None
    ) -> tuple[int, dict[str, str], Any]:
        answer = surface.handle(Request(method, path, query, _headers(body, token), body or b""))
        return answer.status, dict(answer.headers), json.loads(answer.body) if answer.body else None

    def ask(query: str, variables: dict[str, Any], token: str | None) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        found: dict[str, Any] = json.loads(
            endpoint.handle(Request("POST", "/graphql", "", _headers(body, token), body)).body
        )
        return found

    conversation.rest(send)
    conversation.graphql(ask)
    app.close()
