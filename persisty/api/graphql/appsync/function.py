"""GraphQL for AppSync: the event of a root field becomes an envelope, and the events of a link become a list of envelopes.

AppSync has parsed the request and checked it against the schema. Its resolver sends `{fieldName, arguments, selectionSetGraphQL, selectionSetList,
variables}`. The same plans as on the hosted server execute the selection, with links in the same call. Fields have their names; AppSync adds the
aliases, and checks and serializes scalars. AWSJSON is a structure in both directions: AppSync parses and writes the text.

| event | envelope |
|---|---|
| a root field, or a link | `{"data": …, "errors": […]}`, where the errors are those of links below |
| one that fails | `{"error": {"code", "message", "info"}}`: the resolver raises it with `code` as errorType and `info` as errorInfo |
| without a selection, or cached by AppSync for other selections | `{"data": …}` with everything except links |
| the start of a subscription | `{"filter": …}`, with which AppSync selects the events to deliver |

The modules of custom actions are imported when a field that is not a store's operation is first requested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ....application import App
from ....deferred import deferred
from ....errors import Fault, InvalidInput, NotFound, PersistyError, UnreadableItem
from ....model.pages import ResultPage
from ....model.types import identity
from ....security.caller import Caller
from ...http.problem import as_error
from ...multi_store_operations import operations_of_stores
from ...operations import Operation
from ..compiler import Dialect, Planner
from ..complexity import MOST, check_complexity, members_of
from ..executor import Failure, Run, stores_for
from ..resolvers import call, error_extensions
from ..result_types import offered_in, result_ref
from ..subscriptions import subscriptions
from ..types import Leaf
from ..values import answer, plain_json
from .appsync_selection import Picker, paths_of
from .callers import caller_of_event
from .link_batch import LinkBatch, grouped
from .resolver_caching import caching
from .selection_text import parse_selection
from .subscription_function import subscribe

Envelope = dict[str, Any]


def _unchecked(leaf: Leaf) -> Any:
    """Return a function that checks nothing, because AppSync checks the values of scalars."""
    return identity


class AppSync:
    """Answers the root fields of one app. `handle` never raises."""

    def __init__(self, app: App) -> None:
        self._app, self._authenticator = app, app.authenticator
        operations = operations_of_stores(app)
        self._fields = _by_field(operations)
        self._planner = Planner(Dialect(_unchecked, plain_json), offered_in(operations.values()))
        self._subscriptions = {one.field: one for one in subscriptions(app.metas.values())}
        self._batch = LinkBatch(self._planner, app.metas)
        self._complete = False

    def handle(self, event: Any, caller: Caller | None = None) -> Envelope:
        """Return the envelope of an event. `caller`: the caller, by default that of the event."""
        try:
            known = event if isinstance(event, Mapping) else {}
            return self._answer(known, caller_of_event(self._authenticator, known) if caller is None else caller)
        except Exception as error:  # the edge of the program: every error becomes an envelope
            return failed(error)

    def handle_batch(self, events: Sequence[Any], caller: Caller | None = None) -> list[Envelope]:
        """Return the envelopes of the events of a link's resolver, in their positions."""
        known = [event if isinstance(event, Mapping) else {} for event in events]
        envelopes: list[Envelope] = [{}] * len(known)
        for positions in grouped(known):
            some = self._links([known[position] for position in positions], caller)
            for position, envelope in zip(positions, some, strict=True):
                envelopes[position] = envelope
        return envelopes

    def _links(self, events: Sequence[Mapping[str, Any]], caller: Caller | None) -> list[Envelope]:
        """Return the envelopes of events of a link that differ only in their objects."""
        try:
            known = caller_of_event(self._authenticator, events[0]) if caller is None else caller
            found, failures = self._batch.answer(events, self._run, known)
            rows = msgspec.to_builtins(found)
        except Exception as error:  # the edge of the program: every event gets the error
            return [failed(error)] * len(events)
        field = events[0]["fieldName"]
        envelopes: list[Envelope] = [{"data": one} for one in rows]
        for failure in failures:
            position, *rest = failure.path
            below = replace(failure, path=(field, *rest))
            envelopes[int(position)].setdefault("errors", []).append(_below(below))
        return envelopes

    def _run(self, caller: Caller, variables: Any) -> Run:
        return Run(stores_for(self._app.catalogue.stores, caller), variables, as_error)

    def _answer(self, event: Mapping[str, Any], caller: Caller) -> Envelope:
        field, arguments = event.get("fieldName"), event.get("arguments") or {}
        if not isinstance(field, str) or not isinstance(arguments, Mapping):
            raise InvalidInput("Not an event of a field", faults=[Fault("", "Expected fieldName and arguments")])
        if (subscription := self._subscriptions.get(field)) is not None:
            return {"filter": subscribe(self._app, subscription, event, caller, self._planner.links)}
        operation = self._operation(field)
        if operation is None:
            raise NotFound(f"No field is named {field[:100]}")
        text, variables = event.get("selectionSetGraphQL"), event.get("variables")
        ref, stores = result_ref(operation), stores_for(self._app.catalogue.stores, caller)
        if not isinstance(text, str) or not text or caching(operation) is not None:
            found = call(operation, arguments, caller)
            whole: Envelope = {"data": answer(ref, found)}
            errors = found.errors if isinstance(found, ResultPage) else ()
            return {**whole, "errors": list(map(_error, errors))} if errors else whole
        picker = Picker(variables if isinstance(variables, Mapping) else {}, self._planner.links)
        selected = picker.selected(field, ref, parse_selection(text), paths_of(event.get("selectionSetList")))
        node = self._planner.root(operation, selected, "Mutation" if operation.mutation else "Query")
        weight = node.weight(picker.variables, members_of(operation, arguments))
        check_complexity([weight], MOST)
        run = Run(stores, picker.variables, as_error)
        try:
            found = call(operation, arguments, caller, self._planner.needed(operation, selected))
        except UnreadableItem as error:
            if not error.others:
                raise
            found = error.others
            for position, one in error.by_position.items():
                run.fail(one, (field, position), selected, nullable=True)
        [data] = node.complete(run, [found], lambda _: (field,))
        envelope = {"data": msgspec.to_builtins(data)}
        return {**envelope, "errors": list(map(_below, run.failures))} if run.failures else envelope

    def _operation(self, field: str) -> Operation | None:
        if field not in self._fields and not self._complete:
            actions = deferred("persisty.api.actions")
            self._fields |= _by_field(actions.action_operations(self._app))
            self._complete = True
        return self._fields.get(field)


def _by_field(operations: Mapping[str, Operation]) -> dict[str, Operation]:
    return {operation.field: operation for operation in operations.values()}


def failed(error: Exception) -> Envelope:
    """Return the envelope of an error."""
    return {"error": _error(as_error(error))}


def _error(error: PersistyError) -> Envelope:
    info = error_extensions(error)
    return {"code": info.pop("code"), "message": error.message, "info": info}


def _below(failure: Failure) -> Envelope:
    """Return an error below the field. AppSync knows only the field's path, so `info` has the whole path."""
    error = _error(failure.error)
    return {**error, "info": {**error["info"], "path": failure.path}}
