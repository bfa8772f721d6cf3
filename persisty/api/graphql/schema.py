"""The hosted GraphQL schema and its execution: graphql-core reads the requests, the operations answer them.

A document is parsed and validated once and remembered. A root field is one call of `resolve`, whose answer is plain JSON;
graphql-core picks from it what was selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
)
from msgspec import Meta

from ...errors import MethodNotAllowed, PersistyError, Unsupported
from ...model.types import identity
from ..operations import Operation
from ..problem import as_error
from .documents import OPERATION, Rejected, check_variables, malformed, prepare
from .limits import Limits
from .resolve import error_extensions, resolve
from .sdl import sdl

REMEMBERED = 500
"""Documents kept parsed and validated."""
REMEMBERED_LENGTH = 16_384
"""Characters of a document that is kept at most."""


class GraphqlSchema:
    """The operations as an executable schema."""

    def __init__(self, operations: Iterable[Operation], limits: Limits | None = None) -> None:
        known = tuple(operations)
        self.text = sdl(known)
        self._limits = limits or Limits()
        self._schema = _executable(self.text, known)
        self._remembered = lru_cache(REMEMBERED)(self._prepare)

    def execute(
        self,
        text: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> dict[str, Any]:
        """The response: `data`, and `errors` if there are any; no `data` where nothing was executed.

        `read_only` raises `MethodNotAllowed` for a mutation.
        """
        given = dict(variables or {})
        try:
            document = self._prepare(text) if len(text) > REMEMBERED_LENGTH else self._remembered(text)
            operation = _operation(document, operation_name)
            if read_only and operation.operation is not OperationType.QUERY:
                raise MethodNotAllowed("A mutation needs POST", allow="POST")
            check_variables(self._schema, document, operation, given)
        except Rejected as rejected:
            return {"errors": [_formatted(error) for error in rejected.errors]}
        result = execute_sync(self._schema, document, variable_values=given, operation_name=operation_name)
        if not result.errors:
            return {"data": result.data}
        return {"errors": [_formatted(error) for error in result.errors], "data": result.data}

    def _prepare(self, text: str) -> DocumentNode:
        return prepare(self._schema, text, self._limits)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = get_operation_ast(document, name)
    if found is None:
        told = "There is no operation of this name" if name else "The document needs one operation, or its name"
        raise Rejected([malformed(told)])
    return found


def _formatted(error: GraphQLError) -> dict[str, Any]:
    """The error as the response has it. What was not foreseen is logged and told as `internal_error` only."""
    said = dict(error.formatted)
    if not error.extensions:
        cause = _cause(error)
        said["message"] = cause.message
        said["extensions"] = error_extensions(cause)
    return said


def _cause(error: GraphQLError) -> PersistyError:
    """The error of a field: the operation's, or of a value that the field's type cannot carry."""
    if error.original_error is None or isinstance(error.original_error, GraphQLError):
        return Unsupported(error.message)
    return as_error(error.original_error)


def _executable(text: str, operations: Iterable[Operation]) -> GraphQLSchema:
    schema = build_schema(text)
    for name, (read, write) in SCALARS.items():
        scalar = schema.type_map[name]
        if isinstance(scalar, GraphQLScalarType):
            scalar.coerce_input_value, scalar.coerce_output_value = read, write
    for operation in operations:
        root = schema.mutation_type if operation.mutation else schema.query_type
        if isinstance(root, GraphQLObjectType):
            field = root.fields[operation.field]
            field.resolve = _resolver(operation)
            field.extensions = {OPERATION: operation}
    return schema


def _resolver(operation: Operation) -> Callable[..., Any]:
    return lambda _root, _info, **arguments: resolve(operation, arguments)


# scalars


def _json(value: Any) -> Any:
    """AWSJSON as AppSync takes it: text only, handed on parsed."""
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            pass
    raise GraphQLError("AWSJSON cannot represent a value that is not JSON as text")


def _spelled(name: str, kind: Any) -> Callable[[Any], Any]:
    """Check the spelling and hand on the text: operations read it as they read it from REST."""

    def parse(value: Any) -> Any:
        if isinstance(value, str):
            try:
                msgspec.convert(value, kind)
            except (msgspec.ValidationError, ValueError):
                pass
            else:
                return value
        raise GraphQLError(f"{name} cannot represent a value that is not spelled in ISO 8601")

    return parse


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


SCALARS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "AWSJSON": (_json, _json_text),
    "AWSDateTime": (_spelled("AWSDateTime", Annotated[datetime, Meta(tz=True)]), identity),
    "AWSDate": (_spelled("AWSDate", date), identity),
}
"""Scalar → what reads its values and what writes them."""
