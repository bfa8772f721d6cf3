"""The function of one custom action answers the events of both APIs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import pytest

import lambdas

SPEC = "examples.messenger.app:app"


@pytest.fixture(scope="module")
def handler() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PERSISTY_APP", SPEC)
        environment.setenv("PERSISTY_URL", "memory://")
        for name in ("rest", "appsync", "action"):
            environment.delitem(sys.modules, f"lambdas.{name}", raising=False)
            environment.delattr(lambdas, name, raising=False)  # or the package has the module of an earlier test
        yield import_module("lambdas.action").handler
    for name in ("rest", "appsync", "action"):
        sys.modules.pop(f"lambdas.{name}", None)


class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"


def test_it_answers_an_event_of_the_http_api(handler: Any) -> None:
    event = {
        "version": "2.0", "routeKey": "GET /actions/statistics", "rawPath": "/actions/statistics", "rawQueryString": "", "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/actions/statistics"}, "stage": "$default"},
    }  # fmt: skip
    answer = handler(event, Context())
    assert (answer["statusCode"], answer["body"]) == (200, '{"users":0,"messages":0}')


def test_it_answers_an_event_of_appsync(handler: Any) -> None:
    event = {
        "fieldName": "statistics", "arguments": {}, "selectionSetGraphQL": "{ users }", "selectionSetList": ["users"],
        "variables": {}, "identity": None, "request": {"headers": {}},
    }  # fmt: skip
    assert handler(event, Context())["data"] == {"users": 0}
