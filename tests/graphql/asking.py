"""Ways to ask: over HTTP, and through a stand-in for AppSync that does with a request what its documentation says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    build_schema,
    execute_sync,
    get_directive_values,
    get_named_type,
    is_object_type,
    is_required_argument,
    parse,
    print_ast,
    validate,
)

from persisty import App
from persisty.api.actions import operations
from persisty.api.graphql.appsync import AppSync
from persisty.api.graphql.endpoint import GraphqlEndpoint
from persisty.api.graphql.sdl import sdl
from persisty.api.http import Request
from persisty.security.caller import ANONYMOUS, Caller

JSON = {"content-type": "application/json"}


class Hosted:
    """Asks the endpoint by POST."""

    def __init__(self, endpoint: GraphqlEndpoint, caller: Caller = ANONYMOUS) -> None:
        self.endpoint, self.caller = endpoint, caller

    def __call__(self, text: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": text, "variables": variables}).encode()
        response = self.endpoint.handle(Request("POST", "/graphql", headers=JSON, body=body, caller=self.caller))
        assert response.status == 200, response.body
        return json.loads(response.body)

    def data(self, text: str, **variables: Any) -> Any:
        answer = self(text, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    def error(self, text: str, **variables: Any) -> dict[str, Any]:
        """The extensions of the first error."""
        return self(text, **variables)["errors"][0]["extensions"]


class StandIn:
    """What AppSync does: parse, validate and coerce by its schema, send each root field to the function, pick the selection.

    AWSJSON arrives parsed, and is written where a result is a structure; an error of the envelope becomes the field's,
    `code` as errorType, `info` as errorInfo; errors of what is below are added to the response's. `events` are those it sent.
    """

    def __init__(self, appsync: AppSync, app: App) -> None:
        self._appsync = appsync
        self.caller = ANONYMOUS
        self.events: list[dict[str, Any]] = []
        self._added: list[dict[str, Any]] = []
        scalars = "\n".join(f"scalar {name}" for name in READS)
        self.schema: GraphQLSchema = build_schema(scalars + "\n" + sdl(operations(app).values(), appsync=True))
        for name, read in READS.items():
            self.schema.type_map[name].coerce_input_value = read  # type: ignore[union-attr]
        self.schema.type_map["AWSJSON"].coerce_output_value = write_json  # type: ignore[union-attr]
        for root in (self.schema.query_type, self.schema.mutation_type):
            for name, field in (root.fields if root else {}).items():
                field.resolve = self._resolver(name)

    def __call__(self, text: str, **variables: Any) -> dict[str, Any]:
        document = parse(text)
        assert validate(self.schema, document) == []
        self.events, self._added = [], []
        result = execute_sync(self.schema, document, variable_values=variables)
        errors = [{"message": e.message, "extensions": e.extensions, "path": e.path} for e in result.errors or ()]
        errors += self._added
        return json.loads(json.dumps({"data": result.data, **({"errors": errors} if errors else {})}))

    def _resolver(self, name: str) -> Callable[..., Any]:
        def resolve(_root: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
            event = json.loads(json.dumps({"fieldName": name, "arguments": arguments, **told(info)}))
            self.events.append(event)
            envelope = json.loads(json.dumps(self._appsync.handle(event, self.caller)))
            for one in envelope.get("errors", ()):
                path, rest = one["info"]["path"], {name: x for name, x in one["info"].items() if name != "path"}
                self._added.append(
                    {"message": one["message"], "path": path, "extensions": {"code": one["code"], **rest}}
                )
            if "error" in envelope:
                error = envelope["error"]
                raise GraphQLError(error["message"], extensions={"code": error["code"], **error["info"]})
            return envelope["data"]

        return resolve


def told(info: GraphQLResolveInfo) -> dict[str, Any]:
    """What AppSync tells a resolver of the selection: the text with inline fragments as they are and named ones unnamed, and the
    paths of all fields by their aliases, fragments merged."""
    sets = [node.selection_set for node in info.field_nodes if node.selection_set]
    text = (
        print_ast(SelectionSetNode(selections=tuple(one for some in sets for one in some.selections))) if sets else ""
    )
    paths = dict.fromkeys(path for some in sets for path in _paths(info, some, ""))
    return {
        "selectionSetGraphQL": text,
        "selectionSetList": list(paths),
        "variables": {
            name: one.value for name, one in info.variable_values.sources.items() if one.value is not Undefined
        },
    }


def _paths(info: GraphQLResolveInfo, selections: SelectionSetNode, within: str) -> Iterator[str]:
    for one in selections.selections:
        conditions = [
            get_directive_values(kind, one, info.variable_values)
            for kind in (GraphQLSkipDirective, GraphQLIncludeDirective)
        ]
        skipped, included = conditions
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


def write_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _iso(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        kind.fromisoformat(value)
        return value

    return read


READS: dict[str, Callable[[Any], Any]] = {
    "AWSJSON": json.loads,
    "AWSDateTime": _iso(datetime),
    "AWSDate": _iso(date),
}


def everything_of(schema: GraphQLSchema, name: str, depth: int = 4) -> str:
    """A selection of all that a root field answers."""
    roots = [root for root in (schema.query_type, schema.mutation_type) if root]
    return _selection(next(root.fields[name] for root in roots if name in root.fields), depth)


def _selection(field: GraphQLField, depth: int) -> str:
    named = get_named_type(field.type)
    if not is_object_type(named):
        return ""
    if depth == 0:
        return "{ __typename }"
    return "{ " + " ".join(f"{one} {_selection(inner, depth - 1)}" for one, inner in named.fields.items()) + " }"


def document_of(schema: GraphQLSchema, name: str, arguments: Any) -> str:
    """A document that asks for all of a field, each argument (required ones too) by a variable of its own."""
    kind = "query" if schema.query_type and name in schema.query_type.fields else "mutation"
    root = schema.query_type if kind == "query" else schema.mutation_type
    assert root is not None
    known = root.fields[name].args
    types = {
        one: argument.type for one, argument in known.items() if one in arguments or is_required_argument(argument)
    }
    declared = ", ".join(f"${one}: {type_}" for one, type_ in types.items())
    passed = ", ".join(f"{one}: ${one}" for one in types)
    head = f"{kind} ({declared})" if types else kind
    return f"{head} {{ {name}{f'({passed})' if passed else ''} {everything_of(schema, name)} }}"
