"""Modules that a Lambda function must never load, because every import makes cold starts longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NEVER = {
    "aws_cdk", "jsii", "constructs", "sqlalchemy", "psycopg", "starlette", "uvicorn", "redis", "graphql", "boto3", "botocore", "botocore.session", "botocore.client",
    "jwt", "cryptography", "urllib.request", "http.client", "tempfile", "secrets", "servey", "schemey", "jsonschema", "typer", "rich", "asyncio", "sqlite3", "dataclasses",
    "persisty.api.openapi.document", "persisty.api.graphql.sdl", "persisty.api.graphql.hosted.schema", "persisty.api.actions",
}  # fmt: skip
"""Modules that none of `STARTS` may load; a start may name exceptions."""

POWERTOOLS = frozenset({"dataclasses", "asyncio", "botocore"})
"""Modules of Powertools' Logger. Of botocore it loads only the bare package, to register itself."""
WHOLE_GRAPHQL = frozenset(
    {
        "graphql", "persisty.api.graphql.sdl", "persisty.api.graphql.hosted.schema", "persisty.api.actions",
        "servey", "schemey", "jsonschema", "urllib.request", "http.client", "tempfile", "secrets",
    }
)  # fmt: skip
"""Modules that execute any document: graphql-core, the schema, and the example's actions, which use servey."""
OF_ACTIONS = frozenset({"servey", "schemey", "jsonschema", "tempfile"})
"""Modules of the app's actions, which declare the triggers."""
STARTS: dict[str, tuple[str, frozenset[str]]] = {
    "the package": ("import persisty", frozenset()),
    "an app": ("from examples.messenger.app import app", frozenset()),
    "the REST surface": (
        "from examples.messenger.app import app\nfrom persisty.api.rest.endpoint import Rest\nRest(app)",
        frozenset(),
    ),
    "the AppSync surface": (
        "from examples.messenger.app import app\nfrom persisty.api.graphql.appsync.function import AppSync\nAppSync(app)",
        frozenset(),
    ),
    "the DynamoDB engine": (
        "from examples.messenger.app import app, User\n"
        "from persisty.store.store import context_of\n"
        "app.use('dynamodb://eu-west-1?endpoint=http://localhost:1')\n"
        "context_of(app.store(User)).backend",
        frozenset(),
    ),
    "the REST function": (
        "import lambdas.rest",
        POWERTOOLS,
    ),
    "the AppSync function": ("import lambdas.appsync", POWERTOOLS),
    "the authorizer": ("import lambdas.authorizer", POWERTOOLS),
    "the GraphQL function": ("import lambdas.graphql", POWERTOOLS | WHOLE_GRAPHQL),
    "the stream's function": ("import lambdas.stream", POWERTOOLS),
    "the function of an action": ("import lambdas.action", POWERTOOLS),
    "the function of after triggers": ("import lambdas.after", POWERTOOLS | OF_ACTIONS),
    "the function of a timer": ("import lambdas.timer", POWERTOOLS | OF_ACTIONS),
}


@pytest.mark.parametrize("start", STARTS)
def test_a_cold_start_loads_only_what_it_uses(start: str) -> None:
    code, allowed = STARTS[start]
    environment = {
        "PERSISTY_APP": "examples.messenger.app:app",
        "PERSISTY_URL": "dynamodb://eu-west-1",
        "PERSISTY_DEAD_LETTERS_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/events",
        "PERSISTY_GRAPHQL_URL": "https://abc.appsync-api.eu-west-1.amazonaws.com/graphql",
        "PERSISTY_TOKEN_ISSUERS": "cognito:eu-west-1_AbC123",
        "PERSISTY_TOKEN_AUDIENCE": "api",
        "PERSISTY_TOKEN_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "PATH": "",
    }
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert loaded & (NEVER - allowed) == set()


def test_a_first_token_loads_only_its_verifier() -> None:
    of_pyjwt = {"jwt", "cryptography", "dataclasses", "urllib.request", "http.client", "tempfile"}
    script = (
        "from persisty.security.authenticator import authenticator_of\n"
        "from persisty.security.caller import Caller\n"
        "from persisty.settings import Settings\n"
        "here = authenticator_of(Settings(), 'live', 's' * 40, needed=True)\n"
        "here.caller(here.token(Caller('ann')))\n"
        "import sys\nprint(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & (NEVER - of_pyjwt) == set()
