"""The resolvers of a GraphQL API: JavaScript that hands root fields to their function, takes links from the answers or asks for them, and
publishes to subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_lambda as lambdas

from persisty.deploy.plan import Field, Plan
from persisty.naming import pascal

FOLDER = Path(__file__).parent
PUBLISHER, LINK = "publisher", "link"
"""Placeholders for the type of a mutation without a function, and of an item whose field is a link."""
CODE: dict[str, tuple[str, ...]] = {
    "Query": ("request.js", "told.js", "response.js"),
    "Mutation": ("request.js", "told.js", "response.js"),
    "Subscription": ("request.js", "told.js", "subscription.js"),
    PUBLISHER: ("publish.js",),
    LINK: ("link.js", "told.js", "response.js"),
}
"""Type of a field → the files that its resolver is made of."""


def add_resolvers(api: appsync.GraphqlApi, plan: Plan, functions: Mapping[str, lambdas.IFunction]) -> None:
    """The data sources and resolvers of all fields of the plan."""
    sources: dict[str | None, appsync.BaseDataSource] = {}
    for name in dict.fromkeys(field.function for field in plan.fields):
        if name is None:
            sources[name] = api.add_none_data_source("Publisher", description="Hands on what it is given")
        else:
            sources[name] = api.add_lambda_data_source(f"{pascal(name)}Source", functions[name])
    code = {kind: appsync.Code.from_inline(joined(files)) for kind, files in CODE.items()}
    for field in plan.fields:
        sources[field.function].create_resolver(
            f"{field.type}{field.name}",
            type_name=field.type,
            field_name=field.name,
            runtime=appsync.FunctionRuntime.JS_1_0_0,
            code=code[_kind(field)],
            caching_config=_caching(field),
            max_batch_size=field.batch or None,
        )


def _kind(field: Field) -> str:
    if field.function is None:
        return PUBLISHER
    return LINK if field.batch else field.type


def joined(files: tuple[str, ...]) -> str:
    """One module of the files, its imports first, without comments and indentation: it stands in the template for each resolver, and a
    template has a megabyte."""
    lines = [line.strip() for name in files for line in (FOLDER / name).read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("//")]
    lines.sort(key=lambda line: not line.startswith("import "))
    return "\n".join(lines) + "\n"


def _caching(field: Field) -> appsync.CachingConfig | None:
    if field.caching is None:
        return None
    return appsync.CachingConfig(ttl=cdk.Duration.seconds(field.caching.seconds), caching_keys=list(field.caching.keys))
