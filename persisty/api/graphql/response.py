"""The response to a GraphQL request, as JSON: its data, and its errors, each with a code and a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from graphql import GraphQLError, get_location
from msgspec import Struct

from ...errors import PersistyError, Unsupported
from ..http.problem import as_error
from .executor import Failure, Run
from .resolvers import error_extensions


class Answer(Struct, frozen=True):
    """A response as JSON. `executed`: whether any root field was executed. `rejected`: the errors of root fields whose operation failed."""

    body: bytes
    executed: bool
    rejected: tuple[PersistyError, ...] = ()


def executed(run: Run, data: Mapping[str, Any]) -> Answer:
    """Return the response to an executed request: `data`, and `errors` if there are any."""
    if not run.failures:
        return Answer(msgspec.json.encode({"data": data}), True)
    body = msgspec.json.encode({"errors": list(map(_field_error, run.failures)), "data": data})
    return Answer(body, True, tuple(run.rejected.values()))


def rejected(errors: Iterable[GraphQLError]) -> Answer:
    """Return the response to a document that cannot be executed."""
    return Answer(msgspec.json.encode({"errors": [dict(error.formatted) for error in errors]}), False)


def refused(error: PersistyError) -> Answer:
    """Return the response to a request that is not executed because of an error."""
    return rejected([error_of(error)])


def not_begun(failure: Failure) -> Answer:
    """Return the response to a subscription that does not begin."""
    return Answer(msgspec.json.encode({"errors": [_field_error(failure)]}), False)


def error_of(error: PersistyError) -> GraphQLError:
    return GraphQLError(error.message, extensions=error_extensions(error))


def known_error(error: Exception) -> PersistyError:
    """Return the error of a field: that of the operation, or of a value which the field's type cannot represent. An unexpected exception is logged
    and becomes `internal_error`."""
    return Unsupported(error.message) if isinstance(error, GraphQLError) else as_error(error)


def _field_error(failure: Failure) -> dict[str, Any]:
    """Return the error of a field in the form of a response."""
    error = failure.error
    locations = [get_location(node.loc.source, node.loc.start) for node in failure.selected.place or () if node.loc]
    return {
        "message": error.message,
        "locations": [{"line": one.line, "column": one.column} for one in locations],
        "path": failure.path,
        "extensions": error_extensions(error),
    }
