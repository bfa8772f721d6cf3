"""The example is deployed by the real CDK CLI, and answers as it does on a laptop."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.messenger.app import app
from persisty.api.graphql.endpoint import GraphqlEndpoint
from persisty.api.http import Request
from persisty.api.rest import Rest

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
    }


def _event(method: str, path: str, query: str, body: bytes | None) -> dict[str, Any]:
    """An event as an HTTP API sends it, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "ANY /api/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": JSON if body is not None else {},
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
    def send(method: str, path: str, query: str, body: bytes | None) -> tuple[int, dict[str, str], Any]:
        answer = rest_function.invoke(_event(method, path, query, body))
        return answer["statusCode"], answer["headers"], json.loads(answer["body"]) if answer["body"] else None

    conversation.rest(send)


def test_the_appsync_function_answers_what_the_template_wires_to_it(
    on_moto: Deployment, appsync_function: LambdaProcess, tmp_path: Path
) -> None:
    gateway = AppSyncGateway(on_moto.template, {"Appsync": appsync_function.invoke}, tmp_path)
    conversation.graphql(gateway.ask)


def test_the_api_of_ministack_answers_plain_http(on_ministack: Deployment) -> None:
    [api] = on_ministack.client("apigatewayv2").get_apis()["Items"]
    # a URL whose host is a name below localhost resolves nowhere: this is the same API by path
    base = f"{on_ministack.url}/_aws/execute-api/{api['ApiId']}/$default"

    def send(method: str, path: str, query: str, body: bytes | None) -> tuple[int, dict[str, str], Any]:
        url = f"{base}{path}" + (f"?{query}" if query else "")
        request = urllib.request.Request(url, data=body, method=method, headers=JSON if body is not None else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, given, content = response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            status, given, content = error.code, error.headers, error.read()
        return status, {name.lower(): value for name, value in given.items()}, json.loads(content) if content else None

    conversation.rest(send)


def test_the_same_conversations_hold_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_url", "memory://")
    app.close()
    surface, endpoint = Rest(app), GraphqlEndpoint(app)

    def send(method: str, path: str, query: str, body: bytes | None) -> tuple[int, dict[str, str], Any]:
        answer = surface.handle(Request(method, path, query, JSON if body is not None else {}, body or b""))
        return answer.status, dict(answer.headers), json.loads(answer.body) if answer.body else None

    def ask(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        found: dict[str, Any] = json.loads(endpoint.handle(Request("POST", "/graphql", "", JSON, body)).body)
        return found

    conversation.rest(send)
    conversation.graphql(ask)
    app.close()
