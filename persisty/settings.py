"""Settings: the only reader of the process environment.

Each setting is one row of `VARIABLES`, which contains no secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from msgspec import Struct

from .errors import Fault, InvalidDeclaration

VARIABLES: dict[str, str] = {
    "PERSISTY_APP": "App to load, as `module:attribute`",
    "PERSISTY_URL": "URL of the engine, for an app without `url=`. Default: a SQLite file named after the app",
    "PERSISTY_STAGE": "Stage that the tables belong to. Default: `dev`",
    "PERSISTY_ACCESS_LOG": "`off` stops `persisty serve` from logging requests. Default: `on`",
    "PERSISTY_BEFORE_TRIGGERS": "On AWS: `off` if no action of the app is a before trigger, so that writes do not load the modules of actions. Default: `on`",
    "PERSISTY_CACHE": "`on` caches items in the process as their `Cache` declares, `off` does not. Default: the app's `cache=`",
    "PERSISTY_CORS_ORIGINS": "Origins whose pages may call the API from a browser, separated by spaces, or `*`. Default: none",
    "PERSISTY_CREATE_TABLES": "`on` makes a server create missing tables on DynamoDB too. Default: `off`",
    "PERSISTY_DEAD_LETTERS_URL": "On AWS: URL of the queue for changes that cannot be published",
    "PERSISTY_DRAIN_DELAY": "Seconds between SIGTERM and the refusal of new connections. Default: 0",
    "PERSISTY_DRAIN_TIMEOUT": "Seconds that running requests have to finish when the server stops. Default: 30",
    "PERSISTY_GRAPHQL_DOCUMENTS": "JSON file of names and texts: the only GraphQL documents that are executed. Default: every document is",
    "PERSISTY_GRAPHQL_INTROSPECTION": "`off` rejects queries for the GraphQL schema. Default: `on`",
    "PERSISTY_GRAPHQL_URL": "On AWS: URL of the GraphQL API that receives changes",
    "PERSISTY_LOG_LEVEL": "Level of the log: `CRITICAL`, `ERROR`, `WARNING`, `INFO` or `DEBUG`. Default: INFO",
    "PERSISTY_METRICS": "`on` makes `persisty serve` answer Prometheus at `/metrics`, and functions on AWS write metrics of CloudWatch. Default: `off`",
    "PERSISTY_RATE_LIMIT": "Requests that one caller may send, such as `100/s`, `1000/m burst 50`, `5000/h`. Default: unlimited",
    "PERSISTY_ROOT_PATH": "Path before all paths of the app, as clients see it behind a proxy, such as `/shop`. Default: none",
    "PERSISTY_TOKEN_ISSUERS": "Other issuers whose tokens are accepted: `cognito:POOL, auth0:DOMAIN, keycloak:URL, oidc:URL`",
    "PERSISTY_TOKEN_AUDIENCE": "Audiences of which a token must name one, separated by spaces. Required with issuers",
    "PERSISTY_TOKEN_ISSUER": "Issuer (`iss`) of persisty's own tokens. Default: `persisty`",
    "PERSISTY_TOKEN_LEEWAY": "Seconds by which clocks may differ. Default: 60",
    "PERSISTY_TOKEN_KEY_FILE": "File with the secret or the PEM key of persisty's own tokens",
    "PERSISTY_TOKEN_SECRET_ARN": "On AWS: ARN of the secret (Secrets Manager) or parameter (SSM) that contains it. For a deployment also `generated`",
    "PERSISTY_TRACING": "On AWS: `on` records the calls of stores in X-Ray. Default: `off`",
}


class Settings(Struct, frozen=True):
    app: str | None = None
    url: str | None = None
    stage: str = "dev"
    access_log: str = "on"
    before_triggers: str = "on"
    cache: str | None = None
    cors_origins: str | None = None
    create_tables: str = "off"
    dead_letters_url: str | None = None
    drain_delay: str = "0"
    drain_timeout: str = "30"
    graphql_documents: str | None = None
    graphql_introspection: str = "on"
    graphql_url: str | None = None
    log_level: str = "INFO"
    metrics: str = "off"
    rate_limit: str | None = None
    root_path: str | None = None
    token_issuers: str | None = None
    token_audience: str | None = None
    token_issuer: str = "persisty"
    token_leeway: str = "60"
    token_key_file: str | None = None
    token_secret_arn: str | None = None
    tracing: str = "off"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from `environ`, or else from this process. An empty variable counts as unset. Raises `InvalidDeclaration` for a value that its
    variable does not accept."""
    source = os.environ if environ is None else environ
    given = {name: source.get(f"PERSISTY_{name.upper()}") for name in Settings.__struct_fields__}
    return Settings(**{name: _chosen(name, value) for name, value in given.items() if value})


def present(names: Iterable[str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables among `names` that are set in `environ`, or else in this process."""
    source = os.environ if environ is None else environ
    return {name: source[name] for name in names if source.get(name)}


SWITCH = ("on", "off")
LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
CHOICES: dict[str, tuple[str, ...]] = {
    "access_log": SWITCH,
    "before_triggers": SWITCH,
    "cache": SWITCH,
    "create_tables": SWITCH,
    "graphql_introspection": SWITCH,
    "log_level": LEVELS,
    "metrics": SWITCH,
    "tracing": SWITCH,
}
"""Setting → the values that it accepts, in upper or lower case."""


def _chosen(name: str, given: str) -> str:
    """Return a value in the spelling of `CHOICES`. Raises `InvalidDeclaration` for any other value: a misspelt `off` must not leave
    a feature on."""
    choices = CHOICES.get(name)
    if choices is None:
        return given
    for value in choices:
        if given.lower() == value.lower():
            return value
    fault = Fault(
        f"/PERSISTY_{name.upper()}", "Not a value of this variable", "one of " + ", ".join(choices), given[:32]
    )
    raise InvalidDeclaration("The environment is not valid", faults=[fault])


METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the folder of the files in which several processes count."""


def metrics_folder(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the folder in which the workers of a server count their requests, None for a server of one process."""
    return (os.environ if environ is None else environ).get(METRICS_FOLDER) or None


def share_metrics(folder: str) -> None:
    """Make the child processes of this one count their requests in files of the folder."""
    os.environ[METRICS_FOLDER] = folder


def token_secret(environ: Mapping[str, str] | None = None) -> str | None:
    """Return `PERSISTY_TOKEN_SECRET`, the secret that signs persisty's own tokens. Never log or show it."""
    return (os.environ if environ is None else environ).get("PERSISTY_TOKEN_SECRET") or None


class AwsEnvironment(Struct, frozen=True):
    """Values of AWS's own variables. The keys are credentials: never log or show them."""

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
"""Field → its variables. The first one that is set is used."""


def aws(environ: Mapping[str, str] | None = None) -> AwsEnvironment:
    """Return AWS's variables from `environ`, or else from this process."""
    source = os.environ if environ is None else environ
    given = {
        field: next((source[name] for name in names if source.get(name)), None)
        for field, names in AWS_VARIABLES.items()
    }
    return AwsEnvironment(**given)


def aws_endpoint(service: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the address that AWS's variables give for a service such as `sqs`, None for AWS itself."""
    source = os.environ if environ is None else environ
    return source.get(f"AWS_ENDPOINT_URL_{service.upper()}") or source.get("AWS_ENDPOINT_URL") or None


def lambda_function(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the function of Lambda that this process runs."""
    return (os.environ if environ is None else environ).get("AWS_LAMBDA_FUNCTION_NAME")


def xray_daemon(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the address of the X-Ray daemon that Lambda runs with a function, None unless `PERSISTY_TRACING` is on."""
    source = os.environ if environ is None else environ
    return source.get("AWS_XRAY_DAEMON_ADDRESS") or None if load(source).tracing == "on" else None


def trace_header(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the tracing header of the current invocation, which Lambda sets anew for each."""
    return (os.environ if environ is None else environ).get("_X_AMZN_TRACE_ID")


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a child process: that of this process, and more variables."""
    return {**os.environ, **more}
