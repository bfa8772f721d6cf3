"""The tables of docs/reference.md: every type, generator, option and name of a declaration in the code.

Rows, defaults and types come from the code. The descriptions are here. A missing or an unused one is a `KeyError`, so that the page is complete.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from servey.trigger.fixed_rate_trigger import FixedRateTrigger

import persisty
from persisty import (
    Access,
    After,
    AfterCreate,
    AfterDelete,
    AfterUpdate,
    App,
    Attr,
    Before,
    BeforeCreate,
    BeforeDelete,
    BeforeUpdate,
    Cache,
    Cron,
    Index,
    Queue,
    Scheduled,
    Unique,
    link,
    stored,
)
from persisty.api.graphql.described_types import SCALARS
from persisty.application.deferred_calls import AppQueue, Priority
from persisty.backends.dynamodb.wire_kinds import WIRE
from persisty.backends.sql.postgres.dialect import POSTGRES
from persisty.backends.sql.sqlite import SQLITE
from persisty.deploy.options import ActionOptions, FunctionOptions, Options
from persisty.model.generators import GENERATORS
from persisty.model.links import ACTIONS
from persisty.model.types import AGGREGATES, KEYABLE, KINDS, OPERATORS, Kind
from persisty.model.verbs import VERBS
from persisty.triggers.timed import CatchUp

from .markdown import table

PERSISTY_APP = Path(__file__).parents[2] / "stacks" / "persisty_app.py"
SEVERAL = {
    Kind.ENUM: "`Enum` and its subclasses",
    Kind.JSON: "dataclass, Struct, `list`, `dict`, `set`, `tuple`, `time`, `timedelta`, `Any`, a union",
}
"""Kinds of more than one Python type."""
OF_VALUES = {Kind.ENUM: "that of the values", Kind.JSON: "`S`; `L` for a list"}
ENUM_COLUMN = "that of the values"
GRAPHQL = {Kind.INTEGER: "[`Int`, `Float` or `String`](graphql.md#integers)", Kind.ENUM: "an enum; [`Int`, `Float` or `String`](graphql.md#integers) for numbers, `String` if a value is no GraphQL name", Kind.JSON: "a type, a list, or `AWSJSON`"}  # fmt: skip


def types() -> str:
    head = ["kind", "Python", "in a key", "operators", "aggregates", "SQLite", "PostgreSQL", "DynamoDB", "GraphQL"]
    return table(head, map(_type_row, Kind))


def _type_row(kind: Kind) -> list[str]:
    python = SEVERAL.get(kind) or ", ".join(f"`{one.__name__}`" for one, its in KINDS.items() if its is kind)
    names = [name for name, kinds in OPERATORS.items() if kind in kinds]
    columns = [
        ENUM_COLUMN if kind is Kind.ENUM else f"`{dialect.columns[kind].type.compile(dialect=dialect.compiler)}`"
        for dialect in (SQLITE, POSTGRES)
    ]
    return [
        f"`{kind}`",
        python,
        "yes" if kind in KEYABLE else "",
        "all" if len(names) == len(OPERATORS) else ", ".join(f"`{name}`" for name in names),
        ", ".join(f"`{name}`" for name, kinds in AGGREGATES.items() if kind in kinds),
        *(column.partition(" COLLATE")[0].rstrip("`") + "`" if column[0] == "`" else column for column in columns),
        f"`{WIRE[kind].tag}`" if kind in WIRE else OF_VALUES[kind],
        GRAPHQL.get(kind) or f"`{SCALARS[kind].name}`",
    ]


CREATES = {
    "uuid4": ("a random UUID", ""),
    "uuid4_text": ("a random UUID as text", ""),
    "uuid7": ("a UUID that sorts by the time of creation, which it reveals", ""),
    "uuid7_text": ("the same as text", ""),
    "created": ("the time, in UTC", ""),
    "updated": ("the time, in UTC", "the time, in UTC"),
    "version": ("1", "one more, counted by the engine"),
    "sequence": (
        "1, 2, 3, … from the engine. A create that fails leaves a gap. A number that Python code or an import gives advances the sequence",
        "",
    ),
    "subject": ("the subject of the caller", ""),
    "owner": ("the subject of the caller. By convention for an attribute of an `owned` rule", ""),
}
"""Generator → its value on create, and on update."""
OF_CONVENTION = "`GENERATED`"
"""How an app declares a generator that has no public name."""


def generators() -> str:
    assert CREATES.keys() == GENERATORS.keys()
    rows = []
    for name, one in GENERATORS.items():
        created, updated = CREATES[name]
        public = name.upper() in persisty.__all__
        fits = " or ".join(f"`{KINDS_BY_NAME[kind]}`" for kind in one.fits)
        rows.append(
            [
                f"`{name.upper()}`" if public else OF_CONVENTION,
                fits,
                created,
                updated or "unchanged",
                "yes" if one.given else "no",
            ]
        )
    return table(["generator", "type", "on create", "on update", "a create may give another value"], rows)


KINDS_BY_NAME = {kind.value: python.__name__ for python, kind in KINDS.items()}

ATTR = {
    "default": "value, or generator, of a create that leaves the attribute out",
    "factory": "function that makes the default of each item: `factory=list`",
    "generator": "the same as a generator in `default`, for classes with plain annotations",
    "readable": "callers that see the attribute: all (`True`), none (`False`), or those that a rule allows. Others cannot filter or order by it",
    "creatable": "callers that may set it on create. By default every caller, or none if its generator allows no other value",
    "updatable": "callers that may change it. By default every caller, or none for the key and for attributes with a generator",
    "description": "text for OpenAPI, GraphQL and the typed clients",
    "former_names": "[names that it had before](changing-declarations.md), the oldest first",
}
STORED = {
    "name": "name of the store, its table and its paths. By default that of the class in snake case",
    "key": "the attribute, or the attributes in order, of the key. On DynamoDB the first is the partition key, the second the sort key",
    "indexes": "`Index` and `Unique`",
    "access": "[rules](security.md) of callers: an `Access`, or one rule for every verb. By default callers may do nothing",
    "cache": "[how old a response may be](caching.md): a `Cache`, or one of servey's cache controls",
    "conditional_writes": "an update or delete by a caller needs a condition (`If-Match`, `when`)",
    "engine": "name of the engine that stores the items, one of `App(engines=...)`. By default the app's own",
    "expires": "attribute with the time after which an item is deleted, in seconds since 1970",
    "table": "[name of the table](changing-declarations.md#another-table). By default that of the store",
    "former_names": "[names that the store had before](changing-declarations.md), the oldest first",
}
LINK = {
    "by": "attribute that has the key of the target: of this item for `BelongsTo` (by default `author_id` for `author`), else of the target",
    "through": "for `HasMany`: the item between, which belongs to both",
    "on_delete": f"for `BelongsTo`: effect on this item when its target is deleted, one of {', '.join(f'`{one}`' for one in ACTIONS)}",
    "description": "text for OpenAPI, GraphQL and the typed clients",
    "former_names": "names that the link had before, the oldest first",
    "init": "for type checkers: a constructor takes no links",
}
ACCESS = {
    "read": "and `search`, `count`, `read_batch` unless they have a rule. An item that a caller may not read does not exist for that caller",
    "create": "the rule is checked against the new item",
    "update": "the rule is checked against the item before and after the change",
    "delete": "the rule is checked against the item",
    "search": "by default as `read`",
    "count": "by default as `search`",
    "read_batch": "by default as `read`",
    "edit_batch": "callers that may send several edits. By default those that may send one of them",
}
CACHE = {
    "seconds": "seconds for which a response may be used without revalidation. 0: it is revalidated each time",
    "public": "shared caches may store responses, if every caller may read the item",
    "must_revalidate": "an older response is never used, even if the server cannot be reached",
    "items": "most items of a store that a process caches, if its cache is on",
    "misses": "missing items are cached too",
    "modified": "attribute with the time of the last change. By default that of the generator `UPDATED`",
    "appsync": "a deployed GraphQL API caches responses, on an instance that is billed by the hour",
}
APP = {
    "name": "name of the app, of its SQLite file and of its deployment",
    "items": "stored classes, or [schemas](schemas.md)",
    "actions": "[custom actions](actions.md), or modules with them",
    "url": "[engine](engines.md). By default `PERSISTY_URL`, else a SQLite file",
    "engines": "name → URL of further engines",
    "stage": "stage of tables and deployments. By default `PERSISTY_STAGE`, else `dev`",
    "cache": "the process caches items as their `Cache` declares, unless `PERSISTY_CACHE` decides",
    "idempotency": "time for which the response to a request with an `Idempotency-Key` is stored. `None` ignores the header",
    "feed": "how long the engines keep changes for [other processes](subscriptions.md#several-processes)",
    "abandoned": "former items, and attributes such as `car.odometer`, whose stored values stay",
}


def attr() -> str:
    return _options(Attr.__init__, ATTR)


def item() -> str:
    return _options(stored, STORED)


def links() -> str:
    return _options(link, LINK, without=("init",))


def access() -> str:
    assert {*VERBS} <= ACCESS.keys()
    return _fields(Access, ACCESS)


def cache() -> str:
    return _fields(Cache, CACHE)


def app() -> str:
    return _options(App.__init__, APP)


def indexes() -> str:
    meanings = {
        Index: ("items by these attributes. The first is compared by equality, the others are compared or ordered", ""),
        Unique: (
            "the same, and no two items have the same values",
            "`conflict`, for a create or an update. Items with a null in one of them are free",
        ),
    }
    rows = []
    for kind, (meaning, refused) in meanings.items():
        one = kind("a", "b")
        rows.append([f'`{kind.__name__}("a", "b")`', meaning, refused, f"`{one.name}`"])
    return table(["index", "meaning", "refuses", "name"], rows)


RULES = (
    "everyone", "nobody", "authenticated", "scope", "claim", "owned", "member", "where", "linked", "custom",
)  # fmt: skip
CONSTANTS = {
    "everyone": "Every caller, authenticated or not.",
    "nobody": "Rejects every caller from outside.",
    "authenticated": "Every caller whose identity is verified.",
}


def rules() -> str:
    rows = []
    for name in RULES:
        found = getattr(persisty, name)
        if inspect.isfunction(found):
            parameters = ", ".join(_parameter(one) for one in inspect.signature(found).parameters.values())
            rows.append([f"`{name}({parameters})`", (found.__doc__ or "").partition("\n")[0]])
        else:
            rows.append([f"`{name}`", CONSTANTS[name]])
    return table(["rule", "meaning"], rows)


def _parameter(one: inspect.Parameter) -> str:
    return f"**{one.name}" if one.kind is inspect.Parameter.VAR_KEYWORD else one.name


TRIGGERS = (AfterCreate, AfterUpdate, AfterDelete, After, BeforeCreate, BeforeUpdate, BeforeDelete, Before)
TRIGGER_FIELDS = {
    "item": "class or name of the item",
    "on": "the verbs, some of `create`, `update` and `delete`",
    "where": "filter of the item after a create or an update, and before a delete",
    "before": "filter of the item before the update",
    "after": "filter of the item after the update",
    "changed": "attributes, one of which gets another value",
    "retry": "`Retry(attempts=12, pause=1.0)`: the most calls for one event, and the longest pause before the first retry, in seconds. Each further pause is up to twice as long",
}


def triggers() -> str:
    fields = {trigger: {one.name for one in msgspec.structs.fields(trigger)} for trigger in TRIGGERS}
    assert set().union(*fields.values()) == TRIGGER_FIELDS.keys()
    rows = []
    for name, meaning in TRIGGER_FIELDS.items():
        having = [trigger for trigger in TRIGGERS if name in fields[trigger]]
        of = "all" if len(having) == len(TRIGGERS) else ", ".join(f"`{one.__name__}`" for one in having)
        rows.append([f"`{name}`", of, meaning])
    return table(["option", "triggers", "meaning"], rows)


DETACHED = (Cron, FixedRateTrigger, Scheduled, Queue)
DETACHED_FIELDS = {
    "expression": "five fields: minute, hour, day of month, month and day of week",
    "timezone": "zone of the IANA database whose clock the schedule follows",
    "interval": "seconds between two calls, counted from 1970",
    "catch_up": f"calls for [missed fires](timers-and-queues.md#which-calls-are-made): one of {', '.join(f'`{one}`' for one in get_args(CatchUp))}",
    "name": "name of the queue: 1 to 64 letters, digits, hyphens and underscores",
    "retry": "`Retry(attempts=12, pause=1.0)`, as of after triggers",
}


def detached() -> str:
    signatures = {trigger: inspect.signature(trigger).parameters for trigger in DETACHED}
    assert set().union(*signatures.values()) == DETACHED_FIELDS.keys()
    rows = []
    for name, meaning in DETACHED_FIELDS.items():
        having = [trigger for trigger in DETACHED if name in signatures[trigger]]
        of = ", ".join(f"`{one.__name__}`" for one in having)
        [default] = {_value(signatures[one][name].default, inspect.Parameter.empty) for one in having}
        rows.append([f"`{name}`", of, default, meaning])
    return table(["option", "triggers", "default", "meaning"], rows)


SCHEDULE = {
    "action": "function with the trigger `Scheduled()`, or its name",
    "arguments": "arguments of the function by name",
    "at": "datetime with a time zone. A time that has passed means now",
    "delay": "`timedelta` or seconds. Give either `at` or `delay`",
    "key": "unique among the scheduled calls of the action: `App.cancel(action, key)` finds the call by it",
}
SEND = {
    "message": "value of the type that the action of the queue takes",
    "delay": "`timedelta` or seconds after which the message is handled",
    "priority": f"one of {', '.join(f'`{one}`' for one in get_args(Priority))}: `high` overtakes the messages that wait",
    "dedupe": "nothing is sent while a message of the queue with this key waits",
    "order_key": "messages with the same key are handled one at a time, in the order of sending. It excludes the other options",
}


def schedule() -> str:
    return _options(App.schedule, SCHEDULE)


def send() -> str:
    return _options(AppQueue.send, SEND)


DEPLOYMENT = {
    "app": "`module:attribute` of the app. Modules are also found in the working directory",
    "stage": "part of every name: lower-case letters, digits and single hyphens between them, at most 64",
    "target": "platform of the functions: `x86_64-3.12`, …; `local` for an emulator on this machine",
    "graphql": "the APIs that answer GraphQL: `both`, `http`, `appsync`, `none`",
    "live": "whether AppSync has subscriptions",
    "settings": "the [settings by stage](aws.md#settings-by-stage)",
    "requirements": "file with the [requirements](aws.md#requirements) of your app, if it has another name or folder than those",
    "memory": "MB of the functions, 128 to 10,240",
    "timeout": "seconds of the functions, 1 to 29",
    "functions": "function → [its own size](reference.md#one-function). Functions are `rest`, `graphql_http`, `appsync`, `authorizer`, `stream`, `after_STORE`, `timer_ACTION`",
    "actions": "[custom actions with a function of their own](deploying.md#custom-actions)",
    "snap_start": "functions start from snapshots (SnapStart)",
    "log_retention": "days of the functions' logs and the access logs",
    "removal": "`destroy` deletes tables and secret with their stack",
    "deletion_protection": "DynamoDB refuses to delete a table, unless `removal` is `destroy`",
    "recovery_days": "days of point-in-time recovery of the tables; 0 turns it off",
    "rate_limit": "requests a second that the HTTP API accepts from all callers together",
    "burst_limit": "requests that the HTTP API accepts at once",
    "web_acl": "ARN of a WAF web ACL for AppSync. An HTTP API cannot have one: put CloudFront in front of it",
    "split": "spread the resources over [more stacks](deploying.md#large-apps)",
    "termination_protection": "CloudFormation refuses to delete the stacks that the deployment makes",
    "alarms": "[alarms and a dashboard](deploying.md#operations)",
    "access_logs": "the HTTP API logs every request, AppSync every failed one",
    "tracing": "[traces in X-Ray](deploying.md#traces-and-metrics)",
    "metrics": "[metrics of the app](deploying.md#traces-and-metrics) in CloudWatch",
    "tags": "tags of every resource, besides `app` and `stage`",
}
CONSTRUCTS = {
    "vpc": "network of the functions. They reach DynamoDB, AppSync, SQS and Secrets Manager only through its endpoints or a NAT gateway",
    "subnets": "subnets of the functions in it",
    "security_groups": "security groups of the functions",
    "domain": "`Domain(name, certificate)` of the HTTP API",
    "graphql_domain": "`Domain(name, certificate)` of AppSync",
    "topic": "SNS topic that receives the alarms. By default a new one",
    "env": "`cdk.Environment(account=…, region=…)` of the stacks. By default that of the credentials",
}
ONE_FUNCTION = {
    "memory": "MB. By default the deployment's",
    "timeout": "seconds, up to 29; up to 900 for functions that no API invokes (`after_STORE`, `timer_ACTION`), which is their default. By default the deployment's",
    "reserved_concurrency": "instances that are reserved for the function, which is also its maximum",
    "environment": "variables in addition to the app's",
    "secrets": "variable → secret or parameter that the function may read: a construct or an ARN. The variable contains the ARN",
    "statements": "further permissions: `actions` on `resources`, with `conditions`; or `iam.PolicyStatement`",
    "stores": "store → verbs that the action uses. By default every verb of every store",
}


def deployment() -> str:
    return _fields(Options, DEPLOYMENT)


def constructs() -> str:
    # read, not imported: the CDK takes seconds to import
    [names] = [
        [argument.arg for argument in function.args.kwonlyargs]
        for function in ast.walk(ast.parse(PERSISTY_APP.read_text()))
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    ]
    assert names == [*CONSTRUCTS]
    return table(["option", "meaning"], ([f"`{name}`", CONSTRUCTS[name]] for name in names))


def one_function() -> str:
    sizes = FunctionOptions.__struct_fields__
    assert {*ActionOptions.__struct_fields__} == ONE_FUNCTION.keys()
    rows = ([f"`{name}`", "yes" if name in sizes else "", "yes", meaning] for name, meaning in ONE_FUNCTION.items())
    return table(["option", "of `functions`", "of `actions`", "meaning"], rows)


def _options(function: Callable[..., Any], meanings: Mapping[str, str], without: Iterable[str] = ()) -> str:
    """Return the table of a function's arguments."""
    parameters = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.name != "self" and one.kind is not inspect.Parameter.POSITIONAL_ONLY
    ]
    assert {one.name for one in parameters} == meanings.keys()
    rows = [
        [f"`{one.name}`", _value(one.default, inspect.Parameter.empty), meanings[one.name]]
        for one in parameters
        if one.name not in without
    ]
    return table(["option", "default", "meaning"], rows)


def _fields(struct: Any, meanings: Mapping[str, str]) -> str:
    """Return the table of the fields of a Struct."""
    fields = msgspec.structs.fields(struct)
    assert {one.name for one in fields} == meanings.keys()
    rows = []
    for one in fields:
        made = one.default_factory
        default = made() if callable(made) else one.default
        rows.append([f"`{one.name}`", _value(default, msgspec.NODEFAULT), meanings[one.name]])
    return table(["option", "default", "meaning"], rows)


def _value(default: Any, missing: Any) -> str:
    """Return a default as Python declares it. Options without one are required."""
    if default is missing:
        return "required"
    if default is None or default is msgspec.UNSET:
        return ""
    return f"`{default!s}`" if isinstance(default, persisty.Rule) else f"`{default!r}`"


TABLES: dict[str, Callable[[], str]] = {
    "types": types,
    "generators": generators,
    "attr": attr,
    "stored": item,
    "indexes": indexes,
    "link": links,
    "rules": rules,
    "access": access,
    "cache": cache,
    "app": app,
    "triggers": triggers,
    "detached": detached,
    "schedule": schedule,
    "send": send,
    "deployment": deployment,
    "constructs": constructs,
    "functions": one_function,
}
"""Mark of the page → function that makes the table below it."""
