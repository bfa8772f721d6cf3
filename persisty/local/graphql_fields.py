"""The parts of AppSync that a schema and a resolver see: its scalars and directives, and the selection of a field as text and as a list.

Source: "Scalar types in GraphQL" and "AppSync JavaScript resolver context object reference" in the AWS AppSync Developer Guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    build_schema,
    get_directive_values,
    print_ast,
)

SCALARS = (
    "AWSDate", "AWSDateTime", "AWSJSON", "AWSTime", "AWSTimestamp", "AWSEmail", "AWSURL", "AWSPhone", "AWSIPAddress",
)  # fmt: skip
LAMBDA, KEY, IAM = "aws_lambda", "aws_api_key", "aws_iam"
DIRECTIVES = {
    "AWS_LAMBDA": LAMBDA,
    "API_KEY": KEY,
    "AWS_IAM": IAM,
    "OPENID_CONNECT": "aws_oidc",
    "AMAZON_COGNITO_USER_POOLS": "aws_cognito_user_pools",
}
"""Authorization mode of an API → the directive of the fields that it reaches."""
DECLARED = "".join(f"\nscalar {name}" for name in SCALARS)
DECLARED += "".join(f"\ndirective @{name} on OBJECT | FIELD_DEFINITION" for name in DIRECTIVES.values())
DECLARED += "\ndirective @aws_subscribe(mutations: [String!]!) on FIELD_DEFINITION"
"""The definitions that AppSync adds to every schema."""


def schema_of(sdl: str) -> GraphQLSchema:
    """Return the executable schema of an API. AWSJSON arrives parsed and is written where a result is a structure."""
    schema = build_schema(sdl + DECLARED)
    text: Any = schema.type_map["AWSJSON"]
    text.coerce_input_value, text.coerce_output_value = json.loads, written
    return schema


def written(value: Any) -> str:
    """Return a structure as AWSJSON: text of JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def marks(field: GraphQLField) -> set[str]:
    """Return the authorization directives of a field."""
    given = field.ast_node.directives if field.ast_node else ()
    return {one.name.value for one in given or ()} & set(DIRECTIVES.values())


def followed(field: GraphQLField) -> tuple[str, ...]:
    """Return the mutations that a subscription follows."""
    given = field.ast_node.directives if field.ast_node else ()
    for mark in given or ():
        if mark.name.value == "aws_subscribe":
            named: Any = (mark.arguments or ())[0].value
            return tuple(value.value for value in named.values)
    return ()


def selection(info: GraphQLResolveInfo[Any]) -> dict[str, Any]:
    """Return the members of a resolver's `info` that describe what is selected below the field, and the variables."""
    sets = [node.selection_set for node in info.field_nodes if node.selection_set]
    selected = SelectionSetNode(selections=tuple(one for some in sets for one in some.selections))
    paths = dict.fromkeys(path for some in sets for path in _paths(info, some, ""))
    return {
        "selectionSetGraphQL": print_ast(selected) if sets else "",
        "selectionSetList": list(paths),
        "variables": {
            name: one.value for name, one in info.variable_values.sources.items() if one.value is not Undefined
        },
    }


def _paths(info: GraphQLResolveInfo[Any], selections: SelectionSetNode, within: str) -> Iterator[str]:
    for one in selections.selections:
        skipped, included = (
            get_directive_values(kind, one, info.variable_values)
            for kind in (GraphQLSkipDirective, GraphQLIncludeDirective)
        )
        if (skipped and skipped["if"]) or (included and not included["if"]):
            continue
        if isinstance(one, FieldNode):
            path = within + (one.alias or one.name).value
            yield path
            if one.selection_set:
                yield from _paths(info, one.selection_set, path + "/")
        elif isinstance(one, FragmentSpreadNode):
            yield from _paths(info, info.fragments[one.name.value].selection_set, within)
        elif isinstance(one, InlineFragmentNode):
            yield from _paths(info, one.selection_set, within)
