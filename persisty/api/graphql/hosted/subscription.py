"""A subscription of the hosted endpoint: it makes an event from each change that the subscriber receives.

The selection and the filter are parsed once, when the subscription begins. A change is delivered if the rules allow the subscriber to read the item
at that time, and if the item matches the filter. Attributes that the subscriber may not read are null, as in a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....errors import BackendUnavailable
from ....security.caller import Caller
from ....store.change_feed import Change
from ....store.store import Store, context_of
from ..executor import Node, Run, stores_for
from ..response import executed, known_error
from ..selection import Selected
from ..subscription_where import where_of
from ..subscriptions import Subscription


class Live:
    """One subscription. Raises `PersistyError` for an invalid `where`, and for a caller that may not read such items."""

    def __init__(
        self,
        stores: Mapping[str, Store[Any]],
        subscription: Subscription,
        selected: Selected,
        node: Node,
        variables: Any,
        caller: Caller,
    ) -> None:
        self.store, self.kind = subscription.meta.name, subscription.kind
        self._trusted, self._meta, self._key = stores, subscription.meta, selected.key
        self._node, self._variables = node, variables
        self._as(caller)
        self._guard.row_filter("read")
        _, self._where = where_of(self._guard, selected.arguments(variables))

    def event(self, change: Change, caller: Caller) -> bytes | None:
        """Return the response for a change of this store and kind, None if the caller does not receive it.

        Raises `PersistyError` if the caller may no longer read such items, or if an engine fails that the rules need.
        """
        if caller is not self._caller:
            self._as(caller)
        guard, items = self._guard, [change.item]
        if type(change.item) is not self._meta.item:
            raise BackendUnavailable(f"The schema of {self._meta.name} has changed: subscribe again")
        if not (guard.matches(self._where, items)[0] and guard.matches(guard.row_filter("read"), items)[0]):
            return None
        run = Run(self._stores, self._variables, known_error)
        [found] = self._node.complete(run, guard.redact(items), lambda _: (self._key,))
        return executed(run, {self._key: found}).body

    def _as(self, caller: Caller) -> None:
        """Use the rules of this caller from now on."""
        self._caller = caller
        self._stores = stores_for(self._trusted, caller)
        self._guard = context_of(self._stores(self._meta)).guard
