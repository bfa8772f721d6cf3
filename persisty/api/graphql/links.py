"""Links as fields. One call of the store loads a link for all objects that have the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import Fault, InvalidQuery
from ...model.meta import StoreMeta
from ...query.filter_parsing import filter_of_json
from ...store.limits import DEFAULT_LIMIT, check_limit
from ...store.store import context_of
from ..operations import Parameter
from ..store_operations import OFFERS
from .complexity import page_of
from .executor import Run
from .resolvers import store_arguments
from .result_types import LinkField
from .selection import Selected

MOST_AT_ONCE = 25_000
"""The most items that one link may request: the number of objects that have it, times the limit of their pages."""
MOST_IN_ALL = 100_000
"""The most items in pages of links in one response."""

PARAMETERS: dict[str, Parameter] = {one.name: one for one in OFFERS["search"].parameters}


def parameters_of(link: LinkField) -> tuple[Parameter, ...]:
    """Return the arguments of the field."""
    return tuple(PARAMETERS[name] for name in link.parameters)


def most(selected: Selected, variables: Any) -> int:
    """Return the most items on a page of the link."""
    return page_of(selected.arguments(variables))


def load(
    meta: StoreMeta[Any],
    link: LinkField,
    selected: Selected,
    select: tuple[str, ...],
    run: Run,
    items: Sequence[Any],
) -> list[Any]:
    """Return the linked item or page of each item, with at least the attributes in `select`. Raises `PersistyError` for invalid arguments, and for a
    caller that may not read the linked items."""
    store = run.store(meta)
    target = context_of(store).of(link.target)
    target.guard.row_filter("read")  # raises for a caller that may read none of these items
    try:
        given = store_arguments(link.target, parameters_of(link), selected.arguments(run.variables))
        where = filter_of_json(link.target, given.get("where"), "/where", target.guard.view)
    except RecursionError:
        raise InvalidQuery(faults=[Fault("/where", "Nested too deeply")]) from None
    limit = DEFAULT_LIMIT if given.get("limit") is None else given["limit"]
    if link.link.kind != "has_many":
        return store.related(link.link.name, items, where=where, select=select)
    check_limit(limit)
    if len(items) * limit > MOST_AT_ONCE:
        message = f"{len(items)} pages of {limit} exceed the {MOST_AT_ONCE} items that a link may request"
        raise InvalidQuery(faults=[Fault("/limit", message)])
    order, cursor = given.get("order") or None, given.get("cursor")
    pages = store.related(link.link.name, items, where=where, order=order, limit=limit, cursor=cursor, select=select)
    run.linked_items += sum(len(page.items) for page in pages)
    if run.linked_items > MOST_IN_ALL:
        raise InvalidQuery(f"The response would have more than {MOST_IN_ALL} linked items")
    return pages
