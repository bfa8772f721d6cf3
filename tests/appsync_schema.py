"""The definitions that AppSync adds to a schema, so that graphql-core can read it, and the fields of a schema that are links."""

from __future__ import annotations

from graphql import GraphQLObjectType, GraphQLSchema

from persisty import App
from persisty.naming import pascal

SCALARS = "".join(
    f"\nscalar {name}"
    for name in (
        "AWSDate", "AWSDateTime", "AWSJSON", "AWSTime", "AWSTimestamp", "AWSEmail", "AWSURL", "AWSPhone", "AWSIPAddress",
    )
)  # fmt: skip
MARKS = ("aws_api_key", "aws_lambda", "aws_oidc", "aws_cognito_user_pools", "aws_iam")
DIRECTIVES = "".join(f"\ndirective @{name} on OBJECT | FIELD_DEFINITION" for name in MARKS)
DIRECTIVES += "\ndirective @aws_subscribe(mutations: [String!]!) on FIELD_DEFINITION"
DECLARED = SCALARS + DIRECTIVES


def links_in(schema: GraphQLSchema, app: App) -> set[tuple[str, str]]:
    """Return the fields of the schema that are links of the app's items, as (type, field)."""
    items = {pascal(meta.name): meta for meta in app.metas.values()}
    return {
        (type_.name, name)
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and type_.name in items
        for name in type_.fields
        if name in items[type_.name].links
    }
