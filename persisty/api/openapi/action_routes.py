"""Custom actions in an OpenAPI document. Their arguments are in the query string where the method has no body, else in the body."""

from __future__ import annotations

from typing import Any

from ..operations import ActionOperation, Parameter
from ..query_arguments import Form, form_of, is_required
from .responses import body, content, responses
from .schemas import MentionedTypes, object_of


def describe(operation: ActionOperation, types: MentionedTypes) -> dict[str, Any]:
    """Return the parameters, the body and the responses of an action."""
    parameters = {one.name: types.of_given(one.shape) for one in operation.parameters}
    required = [one.name for one in operation.parameters if one.required]
    done = {"200": content(types.of(operation.result))}
    described: dict[str, Any] = {"responses": responses(operation, done)}
    if operation.mutation and operation.method != "DELETE":
        if parameters:
            described["requestBody"] = body(object_of(parameters, required=required))
    else:
        described["parameters"] = [_in_query(one, parameters[one.name]) for one in operation.parameters]
    return described


def annotations_of(operation: ActionOperation) -> list[Any]:
    """Return the annotations of an action's parameters and of its result."""
    return [*(one.shape for one in operation.parameters), operation.result]


def _in_query(parameter: Parameter, schema: Any) -> dict[str, Any]:
    described = {"name": parameter.name, "in": "query", "required": is_required(parameter)}
    match form_of(parameter.shape):
        case Form.LIST:
            return {**described, "explode": True, "schema": schema}
        case Form.JSON:
            return {**described, "content": {"application/json": {"schema": schema}}}
        case Form.TEXT:
            return {**described, "schema": schema}
