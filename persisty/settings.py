"""Settings: the only reader of the process environment.

Each setting is one row of `VARIABLES`; a secret is never among them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

VARIABLES: dict[str, str] = {
    "PERSISTY_APP": "the app to load, as `module:attribute`",
    "PERSISTY_URL": "where items are kept, as an engine URL; default: a SQLite file named after the app",
    "PERSISTY_STAGE": "the deployment that tables belong to; default `dev`",
    "PERSISTY_ACCESS_LOG": "`off` keeps requests out of the log of `persisty serve`; default `on`",
    "PERSISTY_CACHE": "`on` keeps items in the process as their `Cache` says, `off` does not; default: what the app says",
    "PERSISTY_CORS_ORIGINS": "whose pages may call the API from a browser: `*`, or origins separated by spaces; default: none",
    "PERSISTY_DRAIN_DELAY": "seconds from being told to stop until new connections are refused; default 0",
    "PERSISTY_DRAIN_TIMEOUT": "seconds that running requests have to end when the server stops; default 30",
    "PERSISTY_GRAPHQL_DOCUMENTS": "a JSON file of names and texts: the only GraphQL documents that are executed; default: any is",
    "PERSISTY_GRAPHQL_INTROSPECTION": "`off` keeps the GraphQL schema from being asked for; default `on`",
    "PERSISTY_GRAPHQL_URL": "on AWS: the GraphQL API that changes are published to",
    "PERSISTY_LOG_LEVEL": "level of the log; default INFO",
    "PERSISTY_METRICS": "`on` has `persisty serve` tell Prometheus of its requests at `/metrics`; default `off`",
    "PERSISTY_RATE_LIMIT": "requests that one caller may make, as `100/s`, `1000/m burst 50`, `5000/h`; default: any",
    "PERSISTY_TOKEN_ISSUERS": "who else's tokens count: `cognito:POOL, auth0:DOMAIN, keycloak:URL, oidc:URL`",
    "PERSISTY_TOKEN_AUDIENCE": "whom tokens must be for, several separated by spaces; needed with issuers",
    "PERSISTY_TOKEN_ISSUER": "what persisty's own tokens name as their issuer; default `persisty`",
    "PERSISTY_TOKEN_LEEWAY": "seconds by which clocks may differ; default 60",
    "PERSISTY_TOKEN_KEY_FILE": "a file with the secret, or a PEM key, of persisty's own tokens",
    "PERSISTY_TOKEN_SECRET_ARN": "the secret (Secrets Manager) or parameter (SSM) that holds it on AWS",
}


class Settings(Struct, frozen=True):
    app: str | None = None
    url: str | None = None
    stage: str = "dev"
    access_log: str = "on"
    cache: str | None = None
    cors_origins: str | None = None
    drain_delay: str = "0"
    drain_timeout: str = "30"
    graphql_documents: str | None = None
    graphql_introspection: str = "on"
    graphql_url: str | None = None
    log_level: str = "INFO"
    metrics: str = "off"
    rate_limit: str | None = None
    token_issuers: str | None = None
    token_audience: str | None = None
    token_issuer: str = "persisty"
    token_leeway: str = "60"
    token_key_file: str | None = None
    token_secret_arn: str | None = None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process, or of the mapping given. An empty variable counts as unset."""
    source = os.environ if environ is None else environ
    given = {name: source.get(f"PERSISTY_{name.upper()}") for name in Settings.__struct_fields__}
    return Settings(**{name: value for name, value in given.items() if value})


def token_secret(environ: Mapping[str, str] | None = None) -> str | None:
    """`PERSISTY_TOKEN_SECRET`: what persisty's own tokens are signed with. Never log or show this."""
    return (os.environ if environ is None else environ).get("PERSISTY_TOKEN_SECRET") or None


class AwsEnvironment(Struct, frozen=True):
    """What AWS's own variables say. The keys are credentials: never log or show this."""

    region: str | None = None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    ca_bundle: str | None = None


AWS_VARIABLES: dict[str, tuple[str, ...]] = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint": ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"),
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
    "ca_bundle": ("AWS_CA_BUNDLE",),
}
"""Field → the variables that give it, the first that is set."""


def aws(environ: Mapping[str, str] | None = None) -> AwsEnvironment:
    """AWS's variables of this process, or of the mapping given."""
    source = os.environ if environ is None else environ
    given = {
        field: next((source[name] for name in names if source.get(name)), None)
        for field, names in AWS_VARIABLES.items()
    }
    return AwsEnvironment(**given)
