"""The response to a GraphQL request, as JSON: what came of it, and what went wrong, each error with its code and its place."""

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
    """The response to what was executed: `data`, and `errors` if there are any."""
    if not run.failures:
        return Answer(msgspec.json.encode({"data": data}), True)
    body = msgspec.json.encode({"errors": list(map(_told, run.failures)), "data": data})
    return Answer(body, True, tuple(run.rejected.values()))


def rejected(errors: Iterable[GraphQLError]) -> Answer:
    """The response to a document that cannot be executed."""
    return Answer(msgspec.json.encode({"errors": [dict(error.formatted) for error in errors]}), False)


def refused(error: PersistyError) -> Answer:
    """The response to a request that is not executed."""
    return rejected([error_of(error)])


def not_begun(failure: Failure) -> Answer:
    """The response to a subscription that does not begin."""
    return Answer(msgspec.json.encode({"errors": [_told(failure)]}), False)


def error_of(error: PersistyError) -> GraphQLError:
    return GraphQLError(error.message, extensions=error_extensions(error))


def known_error(error: Exception) -> PersistyError:
    """Return the error of a field: the operation's, or that of a value which the field's type cannot carry. An unexpected exception is logged and
    becomes `internal_error`."""
    return Unsupported(error.message) if isinstance(error, GraphQLError) else as_error(error)


def _told(failure: Failure) -> dict[str, Any]:
    """The error of a field as the response has it."""
    error = failure.error
    locations = [get_location(node.loc.source, node.loc.start) for node in failure.selected.place or () if node.loc]
    return {
        "message": error.message,
        "locations": [{"line": one.line, "column": one.column} for one in locations],
        "path": failure.path,
        "extensions": error_extensions(error),
    }
