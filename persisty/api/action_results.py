"""Redact the result of a custom action for its caller, on every surface: a stored item within it shows only the attributes that this caller may read.

An attribute that no caller may read is left out, and one with a rule is shown only if the rule allows this caller on this item. Whether the caller
may read the item at all is the action's decision. Whether a result can contain items is decided once, by the action's return type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..application import App
from ..errors import PersistyError
from ..model.contained_items import may_contain_items
from ..model.meta import StoreMeta
from ..security.caller import Caller
from ..store.guard import Guard
from ..store.item_redaction import redact_contained
from ..store.store import context_of


class Redaction:
    """Redacts the results of one action. `result`: its return type. `needed`: whether a result of this type may contain an item."""

    def __init__(self, app: App, result: Any) -> None:
        self._app, self.needed = app, may_contain_items(result)

    def of(self, result: Any, caller: Caller) -> Any:
        """Return a result as the caller may read it. A result of a type without items is returned as it is."""
        return redact_contained(result, guards(self._app, caller)) if self.needed else result

    def of_call(self, call: Callable[[], Any], caller: Caller) -> Any:
        """Return the redacted result of a call, or raise its error, redacted."""
        try:
            return self.of(call(), caller)
        except PersistyError as error:
            self.of_error(error, caller)
            raise

    def of_error(self, error: PersistyError, caller: Caller) -> None:
        """Redact the items within an error that the action raises: the current item of a failed precondition, and those in its details."""
        shown = redact_contained(error, guards(self._app, caller))
        if shown is not error:
            vars(error).update(vars(shown))


def guards(app: App, caller: Caller) -> Callable[[StoreMeta[Any]], Guard | None]:
    """Return a function that finds the guard of an item's store for the caller. It returns None for an item that the app does not store."""

    def guard_of(meta: StoreMeta[Any]) -> Guard | None:
        if app.metas.get(meta.name) is not meta:
            return None
        return context_of(app.store(meta.name).on_behalf_of(caller)).guard

    return guard_of
