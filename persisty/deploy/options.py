"""The options of a deployment, as data: the arguments of `PersistyApp`, which `cdk.json` can declare as context.

Every mistake is found before anything is synthesised, all of them at once, each with the path of its option.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct

from ..errors import Fault, InvalidDeclaration
from ..model.msgspec_faults import fault_of, pointer
from ..model.verbs import VERBS
from ..naming import MAX_STAGE, STAGE

Memory = Annotated[int, Meta(ge=128, le=10_240)]
"""MB of a function. They also decide its share of CPU: less makes cold starts longer."""
MAX_TIMEOUT = 29
"""Seconds of a function of an API, less than the timeout of 30 of both APIs."""
Timeout = Annotated[int, Meta(ge=1, le=MAX_TIMEOUT)]
LongTimeout = Annotated[int, Meta(ge=1, le=900)]
"""Seconds of a function that no API invokes: up to Lambda's maximum."""
Concurrency = Annotated[int, Meta(ge=0)]
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Days for which CloudWatch can store a log."""


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """A permission of a function: actions such as `ses:SendEmail` on the resources with these ARNs. `conditions`: operator → key → value, as in IAM."""

    actions: Annotated[tuple[str, ...], Meta(min_length=1)]
    resources: Annotated[tuple[str, ...], Meta(min_length=1)]
    conditions: dict[str, dict[str, Any]] = {}


class FunctionOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The size of one function. A member that is not set has the value of the deployment. `reserved_concurrency`: the number of instances that are reserved for it, and its maximum."""

    memory: Memory | None = None
    timeout: LongTimeout | None = None
    reserved_concurrency: Concurrency | None = None


class ActionOptions(FunctionOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A custom action with a separate function.

    `environment`: variables in addition to the app's. `secrets`: variable → ARN of a secret or parameter, which the function may read; the
    variable has the ARN. `statements`: further permissions. `stores`: store → verbs that it uses; by default every verb of every store.
    """

    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    statements: tuple[Statement, ...] = ()
    stores: dict[str, tuple[str, ...]] | None = None


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a deployment, which docs/deploying.md describes. `options_of` parses them."""

    app: str
    stage: str = "dev"
    target: str = "arm64-3.13"
    graphql: Literal["both", "http", "appsync", "none"] = "both"
    live: bool = True
    settings: dict[str, dict[str, str]] = {}
    requirements: str | None = None
    memory: Memory = 1024
    timeout: Timeout = 28
    functions: dict[str, FunctionOptions] = {}
    actions: dict[str, ActionOptions] = {}
    snap_start: bool = False
    log_retention: int = 30
    removal: Literal["retain", "destroy"] = "retain"
    deletion_protection: bool = True
    recovery_days: Annotated[int, Meta(ge=0, le=35)] = 35
    rate_limit: Annotated[int, Meta(ge=1)] = 500
    burst_limit: Annotated[int, Meta(ge=1)] = 1000
    web_acl: str | None = None
    split: bool = False
    termination_protection: bool = False
    alarms: bool = True
    access_logs: bool = True
    tracing: bool = False
    metrics: bool = False
    tags: dict[str, str] = {}


DETACHED = ("after_", "timer_", "stream")
"""Beginnings of the names of functions that no API invokes."""
NAMES = tuple(Options.__struct_fields__)
ON_OFF = {"on": True, "off": False}
"""Words of the command line → values."""
NESTED: dict[str, type[FunctionOptions]] = {"functions": FunctionOptions, "actions": ActionOptions}
"""Option with rows → the type of a row."""
VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
ARN = re.compile(r"arn:[a-z-]+:(secretsmanager|ssm):[a-z0-9-]*:[0-9]*:.+")


TARGET = "persisty:target"
"""Context that replaces the target of every app of a CDK app, which then has no nested stacks: `persisty local` runs functions on this machine."""


def options_of(given: Mapping[str, Any]) -> Options:
    """Return the options with these names and values. `InvalidDeclaration` lists every mistake, with its path.

    Values may be texts, as the command line passes them: `"512"`, `on`.
    """
    values: dict[str, Any] = {}
    faults = list(_unknown(given))
    hints = get_type_hints(Options, include_extras=True)
    for name, value in given.items():
        if name not in NAMES:
            continue
        rows = NESTED.get(name)
        if rows is not None and isinstance(value, Mapping):
            values[name] = {}
            for key, row in value.items():
                values[name][key] = _parsed(row, rows, pointer(name, key), faults)
        else:
            converted = ON_OFF.get(value, value) if isinstance(value, str) and hints[name] is bool else value
            values[name] = _parsed(converted, hints[name], pointer(name), faults)
    if not faults:
        options = Options(**values) if "app" in values else None
        faults += [Fault("/app", "Is missing", "module:attribute")] if options is None else _contradictions(options)
        if options is not None and not faults:
            return options
    raise InvalidDeclaration("The options of the deployment are not valid", faults=faults)


def _parsed(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    """Convert a value to its type. A fault is added for each mistake."""
    fields = get_type_hints(kind, include_extras=True) if isinstance(kind, type) and issubclass(kind, Struct) else {}
    if fields and isinstance(value, Mapping):
        for name, part in value.items():
            if name not in fields:
                faults.append(Fault(f"{path}{pointer(name)}", "Unknown option", "one of " + ", ".join(fields)))
            else:
                _parsed(part, fields[name], f"{path}{pointer(name)}", faults)
        if faults:
            return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        faults.append(fault_of(error, path, kind))
        return None


def _unknown(given: Mapping[str, Any]) -> Iterator[Fault]:
    yield from (
        Fault(pointer(name), "Unknown option", "one of " + ", ".join(NAMES)) for name in given if name not in NAMES
    )


def _contradictions(options: Options) -> list[Fault]:
    """Return the faults of values that have the right type."""
    found = []
    if not options.app.partition(":")[0]:
        found.append(Fault("/app", "Not the place of an app", "module:attribute", options.app))
    if not STAGE.fullmatch(options.stage) or len(options.stage) > MAX_STAGE:
        expected = f"at most {MAX_STAGE} lower-case letters, digits and single hyphens between them"
        found.append(Fault("/stage", "Not a stage", expected, options.stage))
    if options.log_retention not in RETENTIONS:
        found.append(
            Fault("/log_retention", "Not a retention of CloudWatch", "one of " + ", ".join(map(str, RETENTIONS)))
        )
    if options.web_acl is not None and options.graphql not in ("both", "appsync"):
        found.append(Fault("/web_acl", "Only AppSync can have a web ACL", "graphql both or appsync"))
    if options.snap_start and options.target.endswith("-3.11"):
        found.append(Fault("/snap_start", "SnapStart takes Python 3.12 or later", found=options.target))
    found += [
        Fault(
            f"{pointer('functions', name)}/timeout", f"Expected int <= {MAX_TIMEOUT}: callers of the APIs wait for it"
        )
        for name, row in options.functions.items()
        if (row.timeout or 0) > MAX_TIMEOUT and not name.startswith(DETACHED)
    ]
    for action, own in options.actions.items():
        path = pointer("actions", action)
        found += [
            Fault(f"{path}/environment{pointer(name)}", "Not the name of a variable of the app")
            for name in own.environment
            if not VARIABLE.fullmatch(name) or name.startswith(("AWS_", "LAMBDA_", "PERSISTY_"))
        ]
        found += [
            Fault(f"{path}/secrets{pointer(name)}", "Not the ARN of a secret or parameter", found=arn[:32])
            for name, arn in own.secrets.items()
            if not (VARIABLE.fullmatch(name) and ARN.fullmatch(arn))
        ]
        found += [
            Fault(f"{path}{pointer('stores', store)}", "Not a verb", "one of " + ", ".join(VERBS), verb)
            for store, verbs in (own.stores or {}).items()
            for verb in verbs
            if verb not in VERBS
        ]
    return found
