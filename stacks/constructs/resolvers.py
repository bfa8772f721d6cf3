"""The resolvers of a GraphQL API, in JavaScript: root fields call their function, links are read from responses or fetched in batches, and
publishing mutations return their input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_lambda as lambdas

from persisty.deploy.resources import Field, Plan
from persisty.naming import pascal

from .placement import Placement

FOLDER = Path(__file__).parent
PUBLISHER, LINK = "publisher", "link"
"""Keys of `CODE` for a mutation without a function, and for a link of an item."""
CODE: dict[str, tuple[str, ...]] = {
    "Query": ("request.js", "context.js", "response.js"),
    "Mutation": ("request.js", "context.js", "response.js"),
    "Subscription": ("request.js", "context.js", "subscription.js"),
    PUBLISHER: ("publish.js",),
    LINK: ("link.js", "context.js", "response.js"),
}
"""Type of a field → the files of its resolver."""


def add_resolvers(
    api: appsync.GraphqlApi, plan: Plan, functions: Mapping[str, lambdas.IFunction], placement: Placement
) -> None:
    """Add the data sources and resolvers of all fields of the plan, each resolver where the placement says."""
    sources: dict[str | None, appsync.BaseDataSource] = {}
    for name in dict.fromkeys(field.function for field in plan.fields):
        if name is None:
            sources[name] = api.add_none_data_source("Publisher", description="Returns its input")
        else:
            sources[name] = api.add_lambda_data_source(f"{pascal(name)}Source", functions[name])
    runtime = appsync.FunctionRuntime.JS_1_0_0  # read once: each read is a call to the CDK's process
    code = {kind: appsync.Code.from_inline(joined(files)) for kind, files in CODE.items()}
    for field in plan.fields:
        appsync.Resolver(
            placement.of(f"{field.type}.{field.name}") if placement.split else api,
            f"{field.type}{field.name}",
            api=api,
            data_source=sources[field.function],
            type_name=field.type,
            field_name=field.name,
            runtime=runtime,
            code=code[_kind(field)],
            caching_config=_caching(field),
            max_batch_size=field.batch or None,
        )


def _kind(field: Field) -> str:
    if field.function is None:
        return PUBLISHER
    return LINK if field.batch else field.type


def joined(files: tuple[str, ...]) -> str:
    """Join files into one module, imports first, without comments and indentation. The template has a copy for each resolver, and its size is limited
    to one megabyte."""
    lines = [line.strip() for name in files for line in (FOLDER / name).read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("//")]
    lines.sort(key=lambda line: not line.startswith("import "))
    return "\n".join(lines) + "\n"


def _caching(field: Field) -> appsync.CachingConfig | None:
    if field.caching is None:
        return None
    return appsync.CachingConfig(ttl=cdk.Duration.seconds(field.caching.seconds), caching_keys=list(field.caching.keys))
