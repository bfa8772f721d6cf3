"""The start of a subscription on AppSync: the caller's rule and arguments become the filter with which AppSync selects the events to deliver.

AppSync delivers events without invoking a function, so everything is decided when the subscription begins. The caller's rule for `read` and its
`where` are part of the filter. An attribute that the caller may not read on every item cannot be selected, nor can a link, because an event contains
only the item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....application import App
from ....errors import Fault, Forbidden, Unsupported
from ....model.meta import StoreMeta
from ....security.caller import Caller
from ....store.store import context_of
from ..result_types import RESULTS
from ..selection import TYPENAME
from ..subscription_where import where_of
from ..subscriptions import Subscription
from .appsync_selection import LinksOf, Picker, paths_of
from .selection_text import parse_selection
from .subscription_filter import FilterGroup, subscription_filter

SELECTION = "/selectionSetGraphQL"


def subscribe(
    app: App, subscription: Subscription, event: Mapping[str, Any], caller: Caller, links: LinksOf
) -> FilterGroup:
    """Return the filter of a subscription. Raises `PersistyError` for an invalid subscription, and for one that the caller may not start."""
    meta = subscription.meta
    guard = context_of(app.store(meta.name).on_behalf_of(caller)).guard
    rule = guard.row_filter("read")
    arguments = event.get("arguments") or {}
    given, where = where_of(guard, arguments)
    view = guard.view
    _check_selected(meta, _selected(subscription, event, links), {*view.hidden, *view.partial})
    return subscription_filter(meta, rule, where, given)


def _selected(subscription: Subscription, event: Mapping[str, Any], links: LinksOf) -> list[str]:
    """Return the names of the selected fields. For named fragments, those that they may select."""
    text, variables = event.get("selectionSetGraphQL"), event.get("variables")
    if not isinstance(text, str) or not text:  # the event has no selection
        return [name for name, one in subscription.meta.attributes.items() if one.readable is not False]
    picker = Picker(variables if isinstance(variables, Mapping) else {}, links)
    parts, listed = parse_selection(text), paths_of(event.get("selectionSetList"))
    tree = picker.selected(subscription.field, RESULTS["item"](subscription.meta), parts, listed)
    return [*(one.name for one in tree.below if one.get is None), *picker.left]


def _check_selected(meta: StoreMeta[Any], names: Iterable[str], unseen: set[str]) -> None:
    selected = [name for name in names if name != TYPENAME]
    links = [name for name in selected if name not in meta.attributes]
    if links:
        faults = [Fault(SELECTION, "An event contains no links", found=name) for name in links]
        raise Unsupported("An event on AppSync contains only the attributes of its item", faults=faults)
    hidden = [name for name in selected if name in unseen]
    if hidden:
        faults = [Fault(SELECTION, "Not readable on every item", found=name) for name in hidden]
        raise Forbidden("An event can contain only attributes that you may read on every item", faults=faults)
