"""The resolvers of a GraphQL API: JavaScript that hands each root field to its function, and what publishes to subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_lambda as lambdas

from persisty.naming import pascal
from persisty.plan import Field, Plan

FOLDER = Path(__file__).parent
PUBLISHER = "publisher"
"""What stands for the type of a mutation without a function."""
CODE: dict[str, tuple[str, ...]] = {
    "Query": ("response.js", "request.js"),
    "Mutation": ("response.js", "request.js"),
    "Subscription": ("subscription.js", "request.js"),
    PUBLISHER: ("publish.js",),
}
"""Type of a root field → the files that its resolver is made of, those with imports first."""


def add_resolvers(api: appsync.GraphqlApi, plan: Plan, functions: Mapping[str, lambdas.IFunction]) -> None:
    """The data sources and resolvers of all root fields of the plan."""
    sources: dict[str | None, appsync.BaseDataSource] = {}
    for name in dict.fromkeys(field.function for field in plan.fields):
        if name is None:
            sources[name] = api.add_none_data_source("Publisher", description="Hands on what it is given")
        else:
            sources[name] = api.add_lambda_data_source(f"{pascal(name)}Source", functions[name])
    code = {kind: appsync.Code.from_inline(_joined(files)) for kind, files in CODE.items()}
    for field in plan.fields:
        sources[field.function].create_resolver(
            f"{field.type}{field.name}",
            type_name=field.type,
            field_name=field.name,
            runtime=appsync.FunctionRuntime.JS_1_0_0,
            code=code[field.type if field.function else PUBLISHER],
            caching_config=_caching(field),
        )


def _joined(files: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / name).read_text() for name in files)


def _caching(field: Field) -> appsync.CachingConfig | None:
    if field.caching is None:
        return None
    return appsync.CachingConfig(ttl=cdk.Duration.seconds(field.caching.seconds), caching_keys=list(field.caching.keys))
