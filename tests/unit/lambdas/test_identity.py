"""Tokens in the events of the functions, in a process of their own as on AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import tokens

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json, sys
import lambdas.rest, lambdas.appsync, lambdas.graphql


class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"


for name, event in json.loads(sys.stdin.read()):
    print(json.dumps(getattr(lambdas, name).handler(event, Context())))
"""


def answers(*events: tuple[str, dict[str, Any]], **environment: str) -> tuple[list[Any], str]:
    """The functions' responses and their log."""
    given = {"PERSISTY_APP": "examples.messenger.app:app", "PERSISTY_URL": "memory://", "PERSISTY_STAGE": "live"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT, env={**given, **environment}, input=json.dumps(events), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return [line for line in lines if "level" not in line], run.stdout + run.stderr


def rest(token: str | None) -> tuple[str, dict[str, Any]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return "rest", {"rawPath": "/api/message", "headers": headers, "requestContext": {"http": {"method": "GET"}}}


def appsync(token: str | None) -> tuple[str, dict[str, Any]]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return "appsync", {"fieldName": "messageCount", "arguments": {}, "request": {"headers": headers}}


def test_the_functions_know_a_caller_by_the_token_and_log_none() -> None:
    good, bad = tokens.own(aud=None), tokens.own(aud=None, exp=1)
    found, shown = answers(
        rest(good),
        rest(bad),
        rest(None),
        appsync(good),
        appsync(bad),
        appsync(None),
        PERSISTY_TOKEN_SECRET=tokens.SECRET,
    )
    assert [one["statusCode"] for one in found[:3]] == [200, 401, 401]
    assert [one["headers"].get("www-authenticate") for one in found[:3]] == [
        None,
        'Bearer error="invalid_token"',
        "Bearer",
    ]
    assert found[3] == {"data": 0}
    assert [one["error"]["code"] for one in found[4:]] == ["unauthenticated"] * 2
    assert [one["error"]["info"].get("error") for one in found[4:]] == ["invalid_token", None]
    assert not any(piece in shown for piece in (good, bad, tokens.SECRET))


def test_a_function_that_trusts_nobody_does_not_start_where_rules_need_callers() -> None:
    found, shown = answers(rest(None))
    assert found == []
    assert "stage live trusts no token issuer" in shown


def test_a_browser_is_answered_before_anybody_looks_at_credentials() -> None:
    page = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET", "Authorization": "Bearer x"}
    event = {"rawPath": "/api/message", "headers": page, "requestContext": {"http": {"method": "OPTIONS"}}}
    configured = {"PERSISTY_CORS_ORIGINS": page["Origin"], "PERSISTY_TOKEN_SECRET": tokens.SECRET}
    found, _ = answers(("rest", event), ("graphql", {**event, "rawPath": "/graphql"}), **configured)
    assert [one["statusCode"] for one in found] == [204, 204]
    assert {one["headers"]["access-control-allow-origin"] for one in found} == {page["Origin"]}
