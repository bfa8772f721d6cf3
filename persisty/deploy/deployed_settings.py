"""The settings of a deployment: those that `cdk.json` declares for a stage, and those of the deploying shell, which replace them with a note.

    "settings": {
      "*": {"PERSISTY_LOG_LEVEL": "WARNING"},
      "prod": {"PERSISTY_CORS_ORIGINS": "https://shop.example.com", "PAYMENTS_URL": "https://pay.example.com"}
    }

A stage takes the variables under `*`, then its own. An empty text unsets a variable. All other variables are the app's own: every
function that loads the app gets them, and the shell does not replace them. A token secret of another app or stage is never taken from the shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from .. import settings
from ..errors import Fault, InvalidDeclaration
from ..naming import kebab

EVERY_STAGE = "*"
HTTP = ("rest", "graphql_http", "action")
APIS = (*HTTP, "appsync")
IDENTITY = (*APIS, "authorizer")
FUNCTIONS = (*IDENTITY, "stream", "after", "timer")
RECEIVERS: dict[str, tuple[str, ...]] = {
    "log_level": FUNCTIONS,
    "cache": APIS,
    "cors_origins": HTTP,
    "rate_limit": HTTP,
    "root_path": HTTP,
    "graphql_introspection": ("graphql_http",),
    "graphql_documents": ("graphql_http",),
    "token_issuers": IDENTITY,
    "token_audience": IDENTITY,
    "token_issuer": IDENTITY,
    "token_leeway": IDENTITY,
    "token_secret_arn": IDENTITY,
}
"""Setting → the functions that receive it. All other settings belong to a server or are computed, so `cdk.json` cannot declare them."""
PREFIX = "PERSISTY_"
DECLARABLE = tuple(f"{PREFIX}{name.upper()}" for name in RECEIVERS)
RESERVED = re.compile(r"(AWS_|LAMBDA_|_)|(PYTHONPATH|PATH|TZ|LD_LIBRARY_PATH)$")
"""Names that Lambda reserves or that its runtime needs. Source: "Working with Lambda environment variables" in the AWS Lambda Developer Guide."""
SECRET = "PERSISTY_TOKEN_SECRET_ARN"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_GENERATED = re.compile(r"arn:.+:secret:persisty/(?P<app>[^/]+)/(?P<stage>[^/]+)/tokens(-\w{6})?")
"""The ARN of a secret that a deployment has generated, see `naming.secret_name`."""


class Deployed(Struct, frozen=True):
    """`variables`: the app's own variables. `notes`: the settings that only this shell has, a sentence for each."""

    settings: settings.Settings
    variables: dict[str, str]
    notes: tuple[str, ...] = ()


def deployed_settings(app: str, stage: str, declared: Any = None, shell: Mapping[str, str] | None = None) -> Deployed:
    """Return the settings of a stage of an app. `declared`: `settings` of `cdk.json`; `shell`: the variables of the deploying shell. `InvalidDeclaration` lists
    every fault."""
    given = _of_stage(stage, {} if declared is None else declared)
    variables = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    here = settings.present(DECLARABLE, shell)
    if here.get(SECRET) != variables.get(SECRET) and (owner := _owner(here.get(SECRET), app, stage, declared)):
        message = (
            f"It is set in this shell, and is the secret of {owner}: tokens of {owner} would be accepted in the stage {stage}. Unset it, or declare it under "
            f"`settings` of {stage} in cdk.json"
        )
        raise InvalidDeclaration(
            "The token secret is of another deployment", faults=[Fault(f"/{SECRET}", message, found=here[SECRET])]
        )
    notes = [
        f"{name} is {value!r} in this shell and {variables[name]!r} in cdk.json: this deployment uses the value of the shell"
        if variables.get(name)
        else f"{name} is {value!r} in this shell and not in cdk.json: a deployment without it removes it"
        for name, value in here.items()
        if variables.get(name) != value
    ]
    own = {name: value for name, value in given.items() if name not in variables and value}
    return Deployed(settings.load({**variables, **here}), own, tuple(notes))


def variables_of(function: str, configured: settings.Settings) -> dict[str, str]:
    """Return the variables that a function receives: those whose values are not the defaults."""
    unset = settings.Settings()
    return {
        variable: value
        for variable, (name, functions) in zip(DECLARABLE, RECEIVERS.items(), strict=True)
        if function in functions and (value := getattr(configured, name)) != getattr(unset, name)
    }


def _owner(arn: str | None, app: str, stage: str, declared: Any) -> str | None:
    """Return the stage, or the app and stage, that a token secret belongs to, None for this one or an unknown one."""
    found = _GENERATED.fullmatch(arn or "")
    if found is not None and found["app"] != kebab(app):
        return f"{found['app']} in the stage {found['stage']}"
    stages = [found["stage"]] if found is not None else []
    stages += [name for name, variables in (declared or {}).items() if arn and variables.get(SECRET) == arn]
    return next((f"the stage {one}" for one in stages if one not in (stage, EVERY_STAGE)), None)


def _of_stage(stage: str, declared: Any) -> dict[str, str]:
    faults = list(_faults(declared))
    if faults:
        raise InvalidDeclaration("The settings in cdk.json are not valid", faults=faults)
    return {**declared.get(EVERY_STAGE, {}), **declared.get(stage, {})}


def _faults(declared: Any) -> Iterator[Fault]:
    if not isinstance(declared, Mapping):
        yield Fault("/settings", "Not an object of stages", found=str(declared)[:32])
        return
    for stage, variables in declared.items():
        if not isinstance(variables, Mapping):
            yield Fault(f"/settings/{stage}", "Not an object of variables", found=str(variables)[:32])
            continue
        for name, value in variables.items():
            path = f"/settings/{stage}/{name}"
            if not isinstance(value, str):
                yield Fault(path, "Not a text", 'a text such as "60"', str(value)[:32])
            elif name.startswith(PREFIX):
                if name not in DECLARABLE:
                    yield Fault(path, "Not a setting of a deployment", "one of " + ", ".join(DECLARABLE))
            elif RESERVED.match(name) or not _NAME.fullmatch(name):
                yield Fault(path, "Not a name that a function's variable can have")
