"""Operations of stores: the route, the arguments, the result and the call of each verb."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Struct

from ..application import App
from ..errors import PreconditionRequired
from ..model.expressions import ALL, And, Filter, Text
from ..model.meta import StoreMeta
from ..model.verbs import VERBS, Verb
from ..naming import kebab
from ..query.filter_algebra import combine
from ..query.order import resolve_order
from ..query.resolution import Resolved, mentions, resolve_filter
from ..security.caller import ANONYMOUS, Caller
from ..store.limits import DEFAULT_LIMIT, MAX_BATCH, check_limit
from ..store.store import Store, context_of
from .arguments import Faults, array_from, filter_from, object_from
from .batch_edits import edit_batch, unconditional
from .http.cache_headers import validators
from .operations import Arguments, Parameter, StoreOperation


class Offer(Struct, frozen=True):
    """The form in which every store offers a verb: a row of `OFFERS`. `{store}` in `path` stands for the store's name."""

    method: str
    path: str
    parameters: tuple[Parameter, ...]
    result: str
    call: Callable[[Store[Any], Arguments], Any]
    description: str


def _create(store: Store[Any], arguments: Arguments) -> Any:
    return store.create(object_from(arguments.get("item"), "/item"))


def _read(store: Store[Any], arguments: Arguments) -> Any:
    return store.read(arguments["key"])


def _update(store: Store[Any], arguments: Arguments) -> Any:
    changes = object_from(arguments.get("changes"), "/changes")
    faults = Faults()
    when = faults.gather(lambda: filter_from(store, arguments.get("when"), "/when"))
    if faults:
        faults.gather(lambda: context_of(store).guard.changes(changes))
        faults.settle()
    return store.update(arguments["key"], changes, when=_condition(store, arguments, when))


def _delete(store: Store[Any], arguments: Arguments) -> bool:
    when = filter_from(store, arguments.get("when"), "/when")
    return store.delete(arguments["key"], when=_condition(store, arguments, when))


def _no_condition(meta: StoreMeta[Any]) -> str:
    """Return the message for a write without the condition that its item requires. It names only conditions that the item accepts."""
    known = validators(meta)
    headers = "If-Match" if known.modified is None else "If-Match or If-Unmodified-Since"
    example = "" if known.version is None else f" such as `?{known.version.name}=1`"
    return f"This write needs a condition. REST: send {headers}, or a filter{example}. GraphQL: send `when`"


def _condition(store: Store[Any], arguments: Arguments, when: Filter | None) -> Filter | None:
    """Return the caller's condition, joined with the one on the version that the caller has. Raises `PreconditionRequired` if there is neither and
    the item requires one."""
    known = arguments.get("precondition")
    if not (known is not None and known.names(store.meta)) and unconditional(store, when, "/when"):
        raise PreconditionRequired(_no_condition(store.meta))
    return And((ALL if when is None else when, known(store, arguments["key"]))) if known is not None else when


def _search(store: Store[Any], arguments: Arguments) -> Any:
    """Return a page. `select`: its items are dicts of these attributes. `partly`: its items have these attributes, and perhaps others."""
    order = arguments.get("order") or None
    limit = DEFAULT_LIMIT if arguments.get("limit") is None else arguments["limit"]
    faults = Faults()
    where = _matches(store, arguments, faults)
    faults.gather(partial(check_limit, limit))
    if faults:  # without faults, the store checks the order
        faults.gather(lambda: resolve_order(store.meta, order, view=context_of(store).guard.view))
        faults.settle()
    selected, cursor = arguments.get("select"), arguments.get("cursor")
    if (partly := arguments.get("partly")) is not None:
        here = context_of(store)
        matches, total = here.preparation.matches("search", where), here.preparation.order(order)
        return here.page(matches, total, limit, cursor, here.attributes_to_read(partly))
    if selected is None:
        return store.search(where, order=order, limit=limit, cursor=cursor)
    return store.select(selected, where, order=order, limit=limit, cursor=cursor)


def _count(store: Store[Any], arguments: Arguments) -> int:
    faults = Faults()
    where = _matches(store, arguments, faults)
    faults.settle()
    return store.count(where)


def _matches(store: Store[Any], arguments: Arguments, faults: Faults) -> Filter | None:
    """Return the resolved filter of `where` and of the words of `query`. Gathers the faults of both."""
    where, query = faults.gather(partial(filter_from, store, arguments.get("where"))), arguments.get("query")
    if query is None or where is None:
        if query is not None:
            mentions(context_of(store).guard.view, query, "/query", faults)
        return where
    view = context_of(store).guard.view
    found = faults.gather(lambda: resolve_filter(store.meta, Text(query), "", view))
    return (
        None if found is None else Resolved(combine(And, [resolve_filter(store.meta, where, view=view), found]), view)
    )


def _read_batch(store: Store[Any], arguments: Arguments) -> list[Any]:
    return store.read_batch(array_from(arguments.get("keys"), "/keys"))


KEY = Parameter("key", "key", required=True, description="The item's string key")
WHERE = Parameter("where", "where", description="Only items that match")
QUERY = Parameter("query", "text", description="Only items that contain each of these words, in upper or lower case")
WHEN = Parameter("when", "where", description="Only if the item matches; else `precondition_failed`")

OFFERS: dict[str, Offer] = {
    "create": Offer(
        "POST", "/api/{store}", (Parameter("item", "create", required=True),), "item", _create,
        "Store a new item.",
    ),
    "read": Offer("GET", "/api/{store}/{key}", (KEY,), "item?", _read, "Return the item with this key."),
    "update": Offer(
        "PATCH", "/api/{store}/{key}", (KEY, Parameter("changes", "update", required=True), WHEN), "item?",
        _update, "Change some attributes of an item.",
    ),
    "delete": Offer("DELETE", "/api/{store}/{key}", (KEY, WHEN), "deleted", _delete, "Delete an item."),
    "search": Offer(
        "GET", "/api/{store}",
        (
            WHERE,
            QUERY,
            Parameter("order", "order", description="Attributes to sort by; items with equal values are sorted by key"),
            Parameter("limit", "limit", default=DEFAULT_LIMIT, description="The most items on a page"),
            Parameter("cursor", str, description="The cursor of the previous page"),
        ),
        "page", _search, "Return a page of the items that match.",
    ),
    "count": Offer("GET", "/api/{store}-count", (WHERE, QUERY), "count", _count, "Return the number of items that match."),
    "read_batch": Offer(
        "GET", "/api/{store}-batch",
        (Parameter("keys", "keys", required=True, description=f"Up to {MAX_BATCH} keys"),), "items?", _read_batch,
        "Return the items with these keys, null for a key without an item.",
    ),
    "edit_batch": Offer(
        "POST", "/api/{store}-batch",
        (
            Parameter("edits", "edits", required=True, description=f"Up to {MAX_BATCH} edits"),
            Parameter("atomic", bool, default=False, description="All or nothing"),
        ),
        "results", edit_batch, "Create, update and delete items; each edit has its own result.",
    ),
}  # fmt: skip
"""Verb → how every store offers it."""


def store_operations(app: App) -> dict[str, StoreOperation]:
    """Return the operations of the app's current stores that each item's access rule allows, by name."""
    return {one.name: one for store in app.catalogue.stores.values() for one in operations_of(store)}


def operations_of(store: Store[Any]) -> tuple[StoreOperation, ...]:
    """Return the operations of one store that the item's access rule allows."""
    access = store.meta.access
    if access is None:
        return ()
    segment = kebab(store.meta.name)
    return tuple(
        _store_operation(store, segment, verb, OFFERS[verb.name]) for verb in VERBS.values() if access.allows(verb.name)
    )


def _called(
    store: Store[Any],
    checked: str | None,
    call: Callable[[Store[Any], Arguments], Any],
    arguments: Arguments,
    caller: Caller = ANONYMOUS,
) -> Any:
    """Call the store on behalf of the caller. A caller without access is rejected before the arguments are checked."""
    bound = store.on_behalf_of(caller)
    if checked is not None:
        context_of(bound).guard.row_filter(checked)
    return call(bound, arguments)


def _store_operation(store: Store[Any], segment: str, verb: Verb, offer: Offer) -> StoreOperation:
    """Return the operation of a verb. `segment`: the name of the store in a path."""
    return StoreOperation(
        name=f"{store.meta.name}_{verb.name}",
        mutation=verb.writes,
        method=offer.method,
        path=offer.path.replace("{store}", segment),
        parameters=offer.parameters,
        result=offer.result,
        call=partial(_called, store, verb.checks, offer.call),
        verb=verb.name,
        store=store,
        meta=store.meta,
        description=offer.description,
    )
