"""The example is deployed by the real CDK CLI, and answers as it does on a laptop."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from examples.messenger.app import app
from persisty.api.graphql.endpoint import GraphqlEndpoint
from persisty.api.http import Request
from persisty.api.identity import Identified
from persisty.api.rest import Rest

from .. import tokens
from . import conversation
from .appsync_gateway import AppSyncGateway
from .deployment import Deployment
from .emulators import REGION
from .lambda_process import LambdaProcess, running

JSON = {"content-type": "application/json"}


def _variables(deployment: Deployment, function: str) -> dict[str, str]:
    """What the account says, and what Lambda adds: region and credentials."""
    return {
        **deployment.variables(function),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL_DYNAMODB": deployment.url,
        "PERSISTY_URL": "dynamodb://?partiql=0",  # moto does not know such statements
        "PERSISTY_TOKEN_SECRET": tokens.SECRET,  # the SDK that would ask for it comes with Lambda, not with the function
        "PERSISTY_TOKEN_SECRET_ARN": "",
    }


def _headers(body: bytes | None, token: str | None) -> dict[str, str]:
    return (JSON if body is not None else {}) | ({"authorization": f"Bearer {token}"} if token else {})


def _event(method: str, path: str, query: str, body: bytes | None, token: str | None) -> dict[str, Any]:
    """An event as an HTTP API sends it, payload format 2.0."""
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
    with running(folder, "lambdas.rest.handler", _variables(on_moto, "Rest")) as process:
        yield process


@pytest.fixture(scope="module")
def appsync_function(on_moto: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaProcess]:
    folder = tmp_path_factory.mktemp("appsync")
    on_moto.unpack("Appsync", folder)
    with running(folder, "lambdas.appsync.handler", _variables(on_moto, "Appsync")) as process:
        yield process


def test_the_rest_function_answers_events_from_its_own_code_and_layers(rest_function: LambdaProcess) -> None:
    def send(
        method: str, path: str, query: str, body: bytes | None, token: str | None
    ) -> tuple[int, dict[str, str], Any]:
        answer = rest_function.invoke(_event(method, path, query, body, token))
        return answer["statusCode"], answer["headers"], json.loads(answer["body"]) if answer["body"] else None

    conversation.rest(send)


def test_the_appsync_function_answers_what_the_template_wires_to_it(
    on_moto: Deployment, appsync_function: LambdaProcess, tmp_path: Path
) -> None:
    gateway = AppSyncGateway(on_moto.template, {"Appsync": appsync_function.invoke}, tmp_path)
    conversation.graphql(gateway.ask)


def _http(method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, dict[str, str], Any]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            status, given, content = response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        status, given, content = error.code, error.headers, error.read()
    return status, {name.lower(): value for name, value in given.items()}, json.loads(content) if content else None


def _sender(deployment: Deployment) -> conversation.Send:
    """Requests to the deployed HTTP API. The host of its URL resolves nowhere, and ministack answers `/health` of every
    host itself: this is the same API by path."""
    api = urlsplit(deployment.outputs()["HttpUrl"]).netloc.partition(".")[0]
    base = f"{deployment.url}/_aws/execute-api/{api}/$default"

    def send(
        method: str, path: str, query: str, body: bytes | None, token: str | None
    ) -> tuple[int, dict[str, str], Any]:
        return _http(method, base + path + (f"?{query}" if query else ""), _headers(body, token), body)

    return send


def test_the_http_api_answers_at_its_url(on_ministack: Deployment) -> None:
    conversation.rest(_sender(on_ministack))


def test_the_graphql_api_answers_at_its_url(on_ministack: Deployment) -> None:
    outputs, client = on_ministack.outputs(), on_ministack.client("appsync")
    [key] = client.list_api_keys(apiId=outputs["GraphqlApiId"])["apiKeys"]
    place = urlsplit(outputs["GraphqlUrl"])
    known = {**JSON, "Host": place.netloc, "x-api-key": key["id"]}

    def ask(query: str, variables: dict[str, Any], token: str | None) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        answer: dict[str, Any] = _http("POST", on_ministack.url + place.path, known | _headers(body, token), body)[2]
        return answer

    conversation.graphql(ask, faults=False)  # ministack drops errorInfo


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
    monkeypatch.setattr(app, "_url", "memory://")
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
