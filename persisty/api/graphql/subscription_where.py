"""The `where` of a subscription, for the hosted endpoint and for AppSync. It is parsed like the one of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.expressions import Filter
from ...query.filter_parsing import filter_of_json
from ...query.resolution import resolve_filter
from ...store.guard import Guard
from ..store_operations import OFFERS
from .resolvers import store_arguments

WHERE = tuple(one for one in OFFERS["search"].parameters if one.name == "where")
"""The parameters of a subscription."""


def where_of(guard: Guard, arguments: Mapping[str, Any]) -> tuple[Any, Filter]:
    """Return the `where` of a subscription as JSON, and as a filter. Raises `InvalidQuery` with every fault."""
    given = store_arguments(guard.meta, WHERE, arguments).get("where")
    return given, resolve_filter(
        guard.meta, filter_of_json(guard.meta, given, "/where", guard.view), "/where", guard.view
    )
