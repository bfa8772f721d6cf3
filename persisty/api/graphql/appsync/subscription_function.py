"""A subscription on AppSync: who asks, and what for, becomes the filter by which AppSync then decides what events it is told of.

AppSync hands out events itself, without asking again, so everything is decided here, when the subscription begins: the caller's rule
for `read` and its `where` travel in the filter, and an attribute that the caller may not see on every item cannot be selected. Nor
can a link: an event is the item, and nothing that lies beside it.
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
    """The filter of a subscription. Raises what is wrong with it, and what the caller may not."""
    meta = subscription.meta
    guard = context_of(app.store(meta.name).on_behalf_of(caller)).guard
    rule = guard.rows("read")
    arguments = event.get("arguments") or {}
    given, where = where_of(guard, arguments)
    view = guard.view
    _check_selected(meta, _selected(subscription, event, links), {*view.hidden, *view.partial})
    return subscription_filter(meta, rule, where, given)


def _selected(subscription: Subscription, event: Mapping[str, Any], links: LinksOf) -> list[str]:
    """The names of the fields that are selected; of named fragments, those that they may select."""
    text, variables = event.get("selectionSetGraphQL"), event.get("variables")
    if not isinstance(text, str) or not text:  # whoever asks does not say
        return [name for name, one in subscription.meta.attributes.items() if one.readable is not False]
    picker = Picker(variables if isinstance(variables, Mapping) else {}, links)
    parts, listed = parse_selection(text), paths_of(event.get("selectionSetList"))
    tree = picker.selected(subscription.field, RESULTS["item"](subscription.meta), parts, listed)
    return [*(one.name for one in tree.below if one.get is None), *picker.left]


def _check_selected(meta: StoreMeta[Any], names: Iterable[str], unseen: set[str]) -> None:
    wanted = [name for name in names if name != TYPENAME]
    beside = [name for name in wanted if name not in meta.attributes]
    if beside:
        faults = [Fault(SELECTION, "A link, which an event does not have", found=name) for name in beside]
        raise Unsupported("An event on AppSync has the attributes of its item only", faults=faults)
    hidden = [name for name in wanted if name in unseen]
    if hidden:
        faults = [Fault(SELECTION, "Not for you, or not of every item", found=name) for name in hidden]
        raise Forbidden("What you may not see of every item cannot be part of an event", faults=faults)
