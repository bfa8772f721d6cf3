"""AppSync's side of GraphQL: one event of a root field in, an envelope out. The Lambda's handler calls this and no more.

AppSync has parsed and checked the request against the schema; its resolver sends `{fieldName, arguments, …}` and turns the
envelope, `{"data": …}` or `{"error": {"code", "message", "info"}}`, into a result or an error of the field (`code` as
errorType, `info` as errorInfo). AWSJSON goes both ways as a structure: AppSync reads and writes the text. Stores' operations
are known from the start; the custom actions' modules are imported when a field that is none of theirs is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ...application import App
from ...errors import Fault, InvalidInput, NotFound, PersistyError
from ..operations import Operation, store_operations
from ..problem import as_error
from .resolve import error_extensions, resolve

Envelope = dict[str, Any]


class AppSync:
    """Answers the root fields of one app. `handle` never raises."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._fields = _by_field(store_operations(app))
        self._complete = False

    def handle(self, event: Any) -> Envelope:
        """The envelope of an event."""
        try:
            operation, arguments = self._asked(event)
            return {"data": resolve(operation, arguments)}
        except Exception as error:  # the edge of the program: nothing but an envelope leaves it
            return {"error": _error(as_error(error))}

    def _asked(self, event: Any) -> tuple[Operation, Mapping[str, Any]]:
        found = event if isinstance(event, Mapping) else {}
        field, arguments = found.get("fieldName"), found.get("arguments") or {}
        if not isinstance(field, str) or not isinstance(arguments, Mapping):
            raise InvalidInput("Not an event of a field", faults=[Fault("", "Expected fieldName and arguments")])
        operation = self._operation(field)
        if operation is None:
            raise NotFound(f"There is no field {field[:100]}")
        return operation, arguments

    def _operation(self, field: str) -> Operation | None:
        if field not in self._fields and not self._complete:
            actions = import_module("persisty.api.actions")
            self._fields |= _by_field(actions.action_operations(self._app))
            self._complete = True
        return self._fields.get(field)


def _by_field(operations: Mapping[str, Operation]) -> dict[str, Operation]:
    return {operation.field: operation for operation in operations.values()}


def _error(error: PersistyError) -> Envelope:
    info = error_extensions(error)
    return {"code": info.pop("code"), "message": error.message, "info": info}
