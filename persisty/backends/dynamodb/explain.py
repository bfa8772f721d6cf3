"""Explain a DynamoDB query: its plan in words, its cost, and the index that would make it cheap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ScanNotAllowed
from ...model.expressions import ALL, And, Compare, Filter, Or, OrderBy
from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.stored_names import stored_index
from ...query.explain import Explanation, advised_index
from ...query.filter_algebra import combine
from .access_paths import Conjunction, QueryPlan, hidden_attributes, parts_of
from .codec import WireCodec
from .costs import NOMINAL, NOMINAL_LIMIT, Cost, Size, cost_of_keys, cost_of_queries, share
from .expressions import split
from .planner import KeyPlan, Plan, Planner, UnionPlan

SIGNS = {"eq": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "startswith": "starts with"}
MAX_LINES = 20
"""Most queries or keys of a plan that are listed. The others are counted."""


def explained(planner: Planner, where: Filter, order: tuple[OrderBy, ...], limit: int, size: Size) -> Explanation:
    """Return the explanation of a page of a query over a table of this size."""
    meta, codec, plan = planner.meta, planner.codec, planner.plan(where, order)
    units, requests, _ = _cost(plan, where, order, limit, size)
    queries = _queries(plan)
    rests = [split(meta, one.rest, hidden_attributes(one)) for one in queries]
    if isinstance(plan, KeyPlan):
        rests = [(ALL, plan.rest)]
        access, keys = "key", [meta.key_codec.text(key) for key in plan.keys]
        detail = ["GetItem, consistent" if len(keys) == 1 else "BatchGetItem, consistent"]
    else:
        access = "union" if isinstance(plan, UnionPlan) else "scan" if plan.path is None else "index"
        keys = [_condition(codec, one) for one in queries if one.conditions]
        detail = [_request(one) for one in queries]
        if (late := incomplete_index(planner, where, order)) is not None:
            detail.append(
                f"{late.name} is not used: it may miss items until `persisty deploy` or `persisty migrate` completes it"
            )
    names = {stored_index(meta, one): one.name for one in meta.indexes}
    indexes = {names.get(one.path.index or "", one.path.index) for one in queries if one.path is not None}
    return Explanation(
        engine="dynamodb",
        access=access,
        index=indexes.pop() if len(indexes) == 1 else None,
        keys=_shortened(keys),
        native=combine(Or, [native for native, _ in rests]),
        local=combine(Or, [local for _, local in rests]),
        sorted_by=None if not order else "index" if queries and all(one.ordered for one in queries) else "local",
        requests=requests,
        read_units=units,
        items=size.items,
        advice=advised(planner, where, order),
        detail=_shortened(detail),
    )


def advised(planner: Planner, where: Filter, order: tuple[OrderBy, ...]) -> Index | None:
    """Return the index that would at least halve a query's cost, None if there is none. If each arm of an `or` lacks one, return the
    first of them."""
    meta = planner.meta
    missing = [one for one in _candidates(planner, where, order) if one not in meta.indexes]
    if not missing:
        return None
    wider = Planner(meta.altered(indexes=(*meta.indexes, *missing)), planner.codec, planner.index_attributes)
    before, after = (_cost(one.plan(where, order), where, order, NOMINAL_LIMIT, NOMINAL)[0] for one in (planner, wider))
    return missing[0] if after <= before / 2 else None


def scan_refused(planner: Planner, where: Filter, order: tuple[OrderBy, ...], items: int) -> ScanNotAllowed:
    """Return the error of a query that would scan so many items, with the index that would answer it."""
    late = incomplete_index(planner, where, order)
    index = late or advised(planner, where, order)
    advice = f"{index!r} would answer the query" if index else "no index would answer the query"
    if late is not None:
        advice = f"{late!r} may miss items until `persisty deploy` or `persisty migrate` completes it"
    attributes = None if index is None else list(index.attributes)
    return ScanNotAllowed(f"This would read all {items} items: {advice}", items=items, index=attributes)


def incomplete_index(planner: Planner, where: Filter, order: tuple[OrderBy, ...]) -> Index | None:
    """Return the index that would answer a query if it did not miss stored items. None if completing an index would change nothing."""
    complete = Planner(planner.meta, planner.codec, planner.index_attributes)
    paths = [one.path for one in _queries(complete.plan(where, order)) if one.path is not None]
    waiting = {one.index for one in paths if one.defaulted and one.index in planner.incomplete()}
    return next((one for one in planner.meta.indexes if stored_index(planner.meta, one) in waiting), None)


def _candidates(planner: Planner, where: Filter, order: tuple[OrderBy, ...]) -> list[Index]:
    """Return the indexes that fit a filter and an order: one, or one for each arm of an `or` that has no access path."""
    parts = parts_of(where)
    if (index := _candidate(planner.meta, Conjunction(parts), order)) is not None:
        return [index]
    comparisons = [one for one in parts if isinstance(one, Compare)]
    for one in parts:
        if isinstance(one, Or):
            arms = [And((*parts_of(arm), *comparisons)) for arm in one.filters]
            scanning = [arm for arm in arms if _is_scan(planner.plan(arm, order))]
            found = [_candidate(planner.meta, Conjunction(arm.filters), order) for arm in scanning]
            needed = [index for index in found if index is not None]
            if needed and len(needed) == len(found):
                return list(dict.fromkeys(needed))
    return []


def _is_scan(plan: Plan) -> bool:
    return isinstance(plan, QueryPlan) and plan.path is None


def _candidate(meta: StoreMeta[Any], given: Conjunction, order: tuple[OrderBy, ...]) -> Index | None:
    equal = [name for name in given.equal if name in meta.attributes]
    pinned = tuple(equal or [name for name in given.several if name in meta.attributes][:1])
    leading = [one for one in order if one.attribute not in (*pinned, *meta.key.attributes)]
    present = all(not meta.attributes[one.attribute].optional or one.attribute in given.present for one in leading)
    ordered = leading if present and len({one.descending for one in leading}) == 1 else []
    ranged = tuple(name for name in given.ranges if name in meta.attributes)
    return advised_index(pinned, tuple(one.attribute for one in ordered), ranged)


def _cost(plan: Plan, where: Filter, order: tuple[OrderBy, ...], limit: int, size: Size) -> Cost:
    if isinstance(plan, KeyPlan):
        return cost_of_keys(len(plan.keys), size)
    return cost_of_queries(_queries(plan), share(where), bool(order), limit, size)


def _queries(plan: Plan) -> Sequence[QueryPlan]:
    if isinstance(plan, KeyPlan):
        return ()
    return plan.queries if isinstance(plan, UnionPlan) else (plan,)


def _condition(codec: WireCodec, one: QueryPlan) -> str:
    terms = ((part, *codec.value(part.attribute, part.value).values()) for part in one.conditions)
    return " and ".join(f"{part.attribute} {SIGNS[part.operator]} {value}" for part, value in terms)


def _request(one: QueryPlan) -> str:
    if one.path is None:
        return "Scan of the table, consistent"
    direction = "backward" if one.backward else "forward"
    if one.path.index is None:
        return f"Query of the table, {direction}, consistent"
    return f"Query of {one.path.index}, {direction}, eventually consistent"


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - MAX_LINES
    return tuple(lines) if more <= 0 else (*lines[:MAX_LINES], f"and {more} more")
