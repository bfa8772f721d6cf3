"""The DynamoDB actions that functions may take: exactly those of the offered verbs, on the tables that these verbs reach."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..api.operations import StoreOperation
from ..application import App
from ..model.meta import Link, StoreMeta
from ..model.missing_values import late_indexes
from ..model.rules import Rule, Through
from ..model.verbs import READS, WRITES
from ..store.schema_records import APPLIED
from .resources import Grant

READ_ACTIONS = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
QUERY_ACTIONS = ("dynamodb:Query", "dynamodb:Scan", *READ_ACTIONS, "dynamodb:DescribeTable")
"""A filter by keys reads items, and the size of the table decides whether a scan is allowed."""
INDEX_ACTIONS = ("dynamodb:Query",)
"""Actions that are also granted on a table's indexes. Only tables are scanned."""

VERB_ACTIONS: dict[str, tuple[str, ...]] = {
    "read": ("dynamodb:GetItem",),
    "read_batch": READ_ACTIONS,
    "search": QUERY_ACTIONS,
    "count": QUERY_ACTIONS,
    "create": ("dynamodb:PutItem",),
    "update": ("dynamodb:UpdateItem", "dynamodb:GetItem"),
    "delete": ("dynamodb:DeleteItem", "dynamodb:GetItem"),
    "edit_batch": READ_ACTIONS,
}
"""Verb of a store → the DynamoDB actions that it needs. Updates and deletes read an item if DynamoDB cannot evaluate the condition.
The edits of a batch need the actions of their own verbs, and are offered only with these."""
BATCH_ACTIONS = {
    "create": "dynamodb:PartiQLInsert",
    "update": "dynamodb:PartiQLUpdate",
    "delete": "dynamodb:PartiQLDelete",
}
"""Verb → the actions that it needs as a statement of a batch."""
UNIQUE_ACTIONS: dict[str, tuple[str, ...]] = {
    "create": ("dynamodb:PutItem",),
    "update": ("dynamodb:PutItem", "dynamodb:DeleteItem"),
    "delete": ("dynamodb:DeleteItem",),
}
"""Verb of a store with unique indexes → the actions that it needs on the system table."""
SEQUENCE_ACTIONS: dict[str, tuple[str, ...]] = {"create": ("dynamodb:UpdateItem",)}
"""Verb of a store with sequences → the actions that it needs on the system table."""
REQUEST_ACTIONS = ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
"""Actions on the table of idempotency records."""
SCHEMA_ACTIONS = ("dynamodb:GetItem",)
"""Actions on the table of applied schemas, whose records say which indexes are complete."""
READING = tuple(sorted(QUERY_ACTIONS))
WRITING = (
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
"""Actions on a table for a grantee outside the app."""
SYSTEM = "persisty_system"
"""Name of the system table in grants. It has no store."""


Verbs = Mapping[str, Collection[str]]
"""Store → its verbs."""


def offered_verbs(stores: Mapping[str, StoreOperation]) -> Verbs:
    """Return the verbs that an app offers to callers."""
    found: dict[str, set[str]] = {}
    for operation in stores.values():
        found.setdefault(operation.meta.name, set()).add(operation.verb)
    return found


def every_verb(app: App) -> Verbs:
    """Return every verb of every store, which custom actions may use because they are the app's own code."""
    return dict.fromkeys(app.metas, tuple(VERB_ACTIONS))


def grants_of(app: App, used: Verbs) -> tuple[Grant, ...]:
    """Return the grants that these verbs need."""
    actions: dict[str, set[str]] = {name: set() for name in (*app.metas, SYSTEM)}
    for meta in app.metas.values():
        verbs = [verb for verb in VERB_ACTIONS if verb in used.get(meta.name, ())]
        if not verbs:
            continue
        _take(actions, meta, verbs)
        if not WRITES.isdisjoint(verbs):
            for link in _checked(meta):
                actions[link.ends.target.name].add("dynamodb:ConditionCheckItem")
        for other in _reached(meta, verbs):
            actions[other.name].update(QUERY_ACTIONS)
        if "delete" in verbs:
            _take_dependents(app, actions, meta, set())
    if any("dynamodb:Query" in actions[meta.name] and late_indexes(None, meta) for meta in app.metas.values()):
        actions[APPLIED.name] = {*SCHEMA_ACTIONS}
    return tuple(Grant(name, tuple(sorted(taken))) for name, taken in actions.items() if taken)


def _take(actions: dict[str, set[str]], meta: StoreMeta[Any], verbs: Sequence[str]) -> None:
    """Add the actions of some verbs of a store: on its table and on the system table."""
    actions[meta.name].update(action for verb in verbs for action in VERB_ACTIONS[verb])
    if "edit_batch" in verbs:
        actions[meta.name].update(action for verb, action in BATCH_ACTIONS.items() if verb in verbs)
    for table, needed in ((UNIQUE_ACTIONS, meta.uniques), (SEQUENCE_ACTIONS, meta.sequences)):
        actions[SYSTEM].update(action for verb in verbs if needed for action in table.get(verb, ()))


def _checked(meta: StoreMeta[Any]) -> list[Link]:
    """Return the links whose targets must exist when an item is written."""
    return [link for link in meta.links.values() if link.kind == "belongs_to" and link.on_delete != "ignore"]


def _reached(meta: StoreMeta[Any], verbs: Sequence[str]) -> list[StoreMeta[Any]]:
    """Return the items that filters, responses and rules reach through links: those that a caller may read, and those that a rule names."""
    found: dict[str, StoreMeta[Any]] = {}
    pending = [meta]
    while pending:
        one = pending.pop()
        named = {name for verb in VERB_ACTIONS if one.access is not None for name in _links_in(one.access.of(verb))}
        reads = not READS.isdisjoint(verbs) or not WRITES.isdisjoint(verbs)
        for link in one.links.values():
            ends = link.ends
            open_ = reads and ends.target.access is not None and ends.target.access.allows("read")
            if open_ or link.name in named:
                for other in (ends.target, ends.middle):
                    if other is not None and other.name not in found:
                        found[other.name] = other
                        pending.append(other)
    return list(found.values())


def _links_in(rule: Rule) -> Iterator[str]:
    if isinstance(rule, Through):
        yield rule.link
    for part in rule.parts:
        yield from _links_in(part)


def _take_dependents(app: App, actions: dict[str, set[str]], meta: StoreMeta[Any], seen: set[str]) -> None:
    """Add the actions that delete or update the items which refer to a deleted item."""
    for other in app.metas.values():
        for link in _checked(other):
            if link.ends.target is not meta or f"{other.name}.{link.name}" in seen:
                continue
            seen.add(f"{other.name}.{link.name}")
            actions[other.name].update(QUERY_ACTIONS)
            verb = {"cascade": "delete", "nullify": "update"}.get(link.on_delete)
            if verb is not None:
                _take(actions, other, [verb, "edit_batch"])
            if link.on_delete == "cascade":
                _take_dependents(app, actions, other, seen)
