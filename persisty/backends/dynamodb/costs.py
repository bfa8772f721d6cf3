"""Estimate the cost of a plan: the items it reads, and what DynamoDB charges for them.

A read unit is 4 KB read consistently. An index is read eventually consistently and costs half. The number of items that a comparison
matches is unknown before they are read: `SHARES` are guesses that rank plans, as in other planners without statistics. They do not depend on the page
or the time, so a cursor always continues the plan that made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from msgspec import Struct

from ...model.expressions import And, Compare, Filter, Not, Or
from .access_paths import QueryPlan

UNIT = 4096
"""Bytes of a read unit."""
PAGE = 1024 * 1024
"""Most bytes that one request reads."""
SHARES = {"eq": 0.01, "ne": 0.99, "lt": 1 / 3, "le": 1 / 3, "gt": 1 / 3, "ge": 1 / 3}
"""Operator → the guessed share of all items that match. `oneof` counts as that many `eq`."""
OTHER = 0.1
"""The share for any other operator."""
NULLS = 0.1


USUAL_ITEM = 512.0
"""Bytes of an item of unknown size."""


class Size(Struct, frozen=True):
    """Number of items of a table, and their bytes; 0 if unknown."""

    items: int
    total: int

    @property
    def average(self) -> float:
        """Bytes of an item."""
        return self.total / self.items if self.items and self.total else USUAL_ITEM


NOMINAL = Size(1_000_000, 1_000_000 * 1024)
"""The size of table for which plans are chosen."""
NOMINAL_LIMIT = 25


Cost = tuple[float, int, int]
"""(read units, requests, items read): the least is the best."""


def share(where: Filter) -> float:
    """Return the share of all items that match a filter."""
    match where:
        case And(filters):
            product = 1.0
            for one in filters:
                product *= share(one)
            return product
        case Or(filters):
            return min(1.0, sum(map(share, filters)))
        case Not(inner):
            return 1 - share(inner)
        case Compare(_, "oneof", values):
            return min(1.0, SHARES["eq"] * len(values))
        case Compare(_, "null", null):
            return NULLS if null else 1 - NULLS
        case Compare(_, operator, _):
            return SHARES.get(operator, OTHER)
    return 1.0


def cost_of_keys(count: int, size: Size = NOMINAL, batch: int = 100) -> Cost:
    """Return the cost of items by their keys. Each is rounded up to a unit."""
    return float(count * max(1, ceil(size.average / UNIT))), ceil(count / batch), count


def cost_of_queries(
    queries: Sequence[QueryPlan], matching: float, ordered: bool, limit: int = NOMINAL_LIMIT, size: Size = NOMINAL
) -> Cost:
    """Return the cost of a page of queries, or of a scan. `matching`: the share of all items that match the whole filter. `ordered`:
    an order is requested."""
    within = [_share_of_conditions(one) * size.items for one in queries]
    total = sum(within)
    if not total:
        return float(len(queries)), len(queries), 0
    enough = (limit + 1) * total / min(total, max(size.items * matching, 1.0))  # items to read for so many matches
    items_read = units = 0.0
    requests = 0
    for one, inside in zip(queries, within, strict=True):
        own_items = min(inside, enough if ordered else enough * inside / total) if one.ordered else inside
        bytes_read = own_items * size.average
        items_read += own_items
        units += max(1.0, bytes_read / UNIT) * (1.0 if one.path is None or one.path.index is None else 0.5)
        requests += 1 + int(bytes_read // PAGE)
    return units, requests, round(items_read)


def _share_of_conditions(one: QueryPlan) -> float:
    product = 1.0
    for condition in one.conditions:
        product *= SHARES.get(condition.operator, OTHER)
    return product
