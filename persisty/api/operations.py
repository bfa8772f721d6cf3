"""Operations: what an app offers to the outside, in one table from which every surface is derived.

An `Operation` is called with JSON-like arguments by name and answers with items, pages and plain values. REST, OpenAPI,
GraphQL, AppSync, the plan and servey's actions all read the same records, so they offer the same things. Here are the
stores' own; `persisty.api.actions` adds the custom actions, and `operations(app)` there gives them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from ..application import App
from ..errors import Fault, InvalidInput, InvalidQuery, PreconditionRequired
from ..model.expressions import ALL, And, Filter
from ..model.meta import StoreMeta
from ..model.validation import pointer
from ..naming import camel, kebab
from ..query.filter_parsing import filter_of_json, filter_of_parameters
from ..query.order import resolve_order
from ..query.resolution import mentions
from ..security.caller import ANONYMOUS, Caller
from ..store import edits
from ..store.limits import DEFAULT_LIMIT, MAX_BATCH, check_batch, check_limit
from ..store.store import Store

Arguments = Mapping[str, Any]
X = TypeVar("X")


class Parameter(Struct, frozen=True):
    """One argument. `shape` names a type of the store (`key`, `create`, `where`, …), or is a Python annotation."""

    name: str
    shape: Any
    required: bool = False
    default: Any = None
    description: str | None = None


class OperationShape(Struct, frozen=True, kw_only=True):
    """The fields that every kind of operation has.

    `name` is `message_read`; `mutation` says whether it may write; `method` and `path` place it in HTTP (`{key}` is a
    parameter); `result` is a shape or a Python annotation; `call` takes the arguments by name, and the caller.
    """

    name: str
    mutation: bool
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    result: Any
    call: Callable[..., Any]
    description: str | None = None

    @property
    def field(self) -> str:
        """The operation's name as a GraphQL root field: `messageRead`."""
        return camel(self.name)


class StoreOperation(OperationShape, frozen=True, kw_only=True):
    """A verb of a store. `result` and the parameters' shapes name types of the store."""

    meta: StoreMeta[Any]
    verb: str


class ActionOperation(OperationShape, frozen=True, kw_only=True):
    """A custom action. `result` and the parameters' shapes are annotations of `function`; `action` is servey's description of it."""

    function: Callable[..., Any]
    action: Any


Operation: TypeAlias = StoreOperation | ActionOperation
"""Something that a caller can ask for. Match on the class to learn which kind it is."""


class Verb(Struct, frozen=True):
    """A verb of every store: a row of `VERBS`."""

    mutation: bool
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    result: str
    call: Callable[[Store[Any], Arguments], Any]
    description: str


class _Faults(list[Fault]):
    """What is wrong with an input, gathered from several checks so that the caller hears of all of it."""

    worst: type[InvalidInput | InvalidQuery] = InvalidQuery

    def gather(self, check: Callable[[], X]) -> X | None:
        """The check's answer, or None where it found faults."""
        try:
            return check()
        except (InvalidInput, InvalidQuery) as error:
            self.extend(error.faults)
            if isinstance(error, InvalidInput):
                self.worst = InvalidInput
            return None

    def settle(self, kind: type[InvalidInput | InvalidQuery] | None = None) -> None:
        """Raise if there are faults."""
        if self:
            raise (kind or self.worst)(faults=self)


def _where(store: Store[Any], given: Any, path: str = "/where") -> Filter:
    """A filter as it is, or read from the parameters of a URL or from its JSON form."""
    if isinstance(given, Filter):
        return given
    view = store.guard.view
    if isinstance(given, list):
        return filter_of_parameters(store.meta, given, view)
    return filter_of_json(store.meta, given, path, view)


def _create(store: Store[Any], arguments: Arguments) -> Any:
    return store.create(_object(arguments.get("item"), "/item"))


def _read(store: Store[Any], arguments: Arguments) -> Any:
    return store.read(arguments["key"])


def _update(store: Store[Any], arguments: Arguments) -> Any:
    changes = _object(arguments.get("changes"), "/changes")
    faults = _Faults()
    when = faults.gather(lambda: _where(store, arguments.get("when"), "/when"))
    if faults:
        faults.gather(lambda: store.guard.changes(changes))
        faults.settle()
    return store.update(arguments["key"], changes, when=_condition(store, arguments, when))


def _delete(store: Store[Any], arguments: Arguments) -> bool:
    when = _where(store, arguments.get("when"), "/when")
    return store.delete(arguments["key"], when=_condition(store, arguments, when))


def _condition(store: Store[Any], arguments: Arguments, when: Filter | None) -> Filter | None:
    """What the caller's condition says, and what a surface makes of the version that the caller knows. `PreconditionRequired` if that is
    nothing and the item's writes are conditional."""
    known = arguments.get("precondition")
    if not (known is not None and known.names(store.meta)) and _unconditional(store, when, "/when"):
        raise PreconditionRequired()
    return And((ALL if when is None else when, known(store, arguments["key"]))) if known is not None else when


def _unconditional(store: Store[Any], when: Filter | None, path: str) -> bool:
    """Whether a write lacks a condition that its item demands. One that holds of every item is none."""
    return store.meta.conditional_writes and store.planning.where(when, path) == ALL


def _search(store: Store[Any], arguments: Arguments) -> Any:
    order = arguments.get("order") or None
    limit = DEFAULT_LIMIT if arguments.get("limit") is None else arguments["limit"]
    faults = _Faults()
    where, query = _asked(store, arguments, faults)
    faults.gather(lambda: resolve_order(store.meta, order, view=store.guard.view))
    faults.gather(lambda: check_limit(limit))
    faults.settle()
    paging: dict[str, Any] = {"query": query, "order": order, "limit": limit, "cursor": arguments.get("cursor")}
    selected = arguments.get("select")
    return store.search(where, **paging) if selected is None else store.select(selected, where, **paging)


def _count(store: Store[Any], arguments: Arguments) -> int:
    faults = _Faults()
    where, query = _asked(store, arguments, faults)
    faults.settle()
    return store.count(where, query=query)


def _asked(store: Store[Any], arguments: Arguments, faults: _Faults) -> tuple[Filter | None, str | None]:
    """The filter and the text to search."""
    where, query = faults.gather(lambda: _where(store, arguments.get("where"))), arguments.get("query")
    if query is not None:
        mentions(store.guard.view, query, "/query", faults)
    return where, query


def _read_batch(store: Store[Any], arguments: Arguments) -> list[Any]:
    return store.read_batch(_array(arguments.get("keys"), "/keys"))


def _edit_batch(store: Store[Any], arguments: Arguments) -> list[edits.EditResult[Any]]:
    """All faults of all edits at once, and none of another verb than the access rule allows."""
    given = _array(arguments.get("edits"), "/edits")
    check_batch(given)
    faults = _Faults()
    batch: list[Any] = []
    for position, edit in enumerate(given):
        path = pointer("edits", position)
        batch.append(faults.gather(partial(_edit, store, edit, path)))
    faults.settle(InvalidInput)
    lacking = [at for position, edit in enumerate(batch) if (at := _lacks_condition(store, edit, position))]
    if lacking:
        raise PreconditionRequired(faults=[Fault(at, "Missing", "a condition", "nothing") for at in lacking])
    results = store.edit_batch(batch, atomic=bool(arguments.get("atomic")))
    for result in results:
        if result.error is not None:
            result.error.faults = tuple(map(_in_update, result.error.faults))
    return results


def _lacks_condition(store: Store[Any], edit: edits.Edit, position: int) -> str | None:
    """Where the condition of an edit should be that lacks one which its item demands."""
    if not isinstance(edit, edits.Update | edits.Delete):
        return None
    path = pointer("edits", position, CONDITIONAL[type(edit)], "when")
    return path if _unconditional(store, edit.when, path) else None


CONDITIONAL: dict[type, str] = {edits.Update: "update", edits.Delete: "delete"}
"""The edits that may have a condition, as a caller names them."""


def _in_update(fault: Fault) -> Fault:
    """A fault of the changes of an edit at its place in what a caller sends: `/edits/3/update/changes/count`."""
    return msgspec.structs.replace(fault, path=_CHANGES.sub(r"\1/update/changes", fault.path, count=1))


_CHANGES = re.compile(r"^(/edits/\d+)/changes")


def _edit(store: Store[Any], given: Any, path: str) -> edits.Edit:
    chosen = {verb: body for verb, body in _object(given, path).items() if body is not None}
    if len(chosen) != 1 or not chosen.keys() <= EDITS.keys():
        expected = "exactly one of " + ", ".join(EDITS)
        raise InvalidInput(faults=[Fault(path, f"Expected {expected}", expected, ", ".join(chosen) or "nothing")])
    [(verb, body)] = chosen.items()
    store.guard.rows(verb)
    return EDITS[verb](store, _object(body, path + pointer(verb)), path + pointer(verb))


def _edit_create(store: Store[Any], body: Arguments, path: str) -> edits.Edit:
    store.guard.new(body, path)  # is it valid? what is generated is the store's to make, and to know again
    return edits.Create(body)


def _edit_update(store: Store[Any], body: Arguments, path: str) -> edits.Edit:
    faults = _Faults([*unknown_members(body, ("key", "changes", "when"), path), *_keyless(body, path)])
    changes = faults.gather(lambda: _object(body.get("changes"), path + "/changes"))
    faults.gather(lambda: changes and store.guard.changes(changes, path + "/changes"))
    when = faults.gather(lambda: filter_of_json(store.meta, body.get("when"), path + "/when", store.guard.view))
    faults.settle(InvalidInput)
    return edits.Update(body["key"], changes or {}, when)


def _edit_delete(store: Store[Any], body: Arguments, path: str) -> edits.Edit:
    faults = _Faults([*unknown_members(body, ("key", "when"), path), *_keyless(body, path)])
    when = faults.gather(lambda: filter_of_json(store.meta, body.get("when"), path + "/when", store.guard.view))
    faults.settle(InvalidInput)
    return edits.Delete(body["key"], when)


EDITS: dict[str, Callable[[Store[Any], Arguments, str], edits.Edit]] = {
    "create": _edit_create,
    "update": _edit_update,
    "delete": _edit_delete,
}
"""An edit of a batch is an object with one of these members."""


def unknown_members(body: Arguments, known: tuple[str, ...], path: str) -> list[Fault]:
    """A fault for each member of `body` that is not `known`."""
    return [
        Fault(path + pointer(name), "Unknown member", "one of " + ", ".join(known))
        for name in body
        if name not in known
    ]


def _keyless(body: Arguments, path: str) -> list[Fault]:
    key = body.get("key")
    found = "null" if key is None else type(key).__name__
    return [] if isinstance(key, str) else [Fault(path + "/key", "Expected str", "str", found)]


def _object(given: Any, path: str) -> Arguments:
    if isinstance(given, Mapping):
        return given
    raise InvalidInput(faults=[Fault(path, "Expected an object", "object", type(given).__name__)])


def _array(given: Any, path: str) -> list[Any]:
    if isinstance(given, list):
        return given
    raise InvalidInput(faults=[Fault(path, "Expected an array", "array", type(given).__name__)])


KEY = Parameter("key", "key", required=True, description="The item's string key")
WHERE = Parameter("where", "where", description="Only items that match")
QUERY = Parameter("query", "text", description="Only items that mention each of these words, whatever the case")
WHEN = Parameter("when", "where", description="Only if the item matches; else `precondition_failed`")

VERBS: dict[str, Verb] = {
    "create": Verb(
        True, "POST", "/api/{store}", (Parameter("item", "create", required=True),), "item", _create,
        "Store a new item.",
    ),
    "read": Verb(False, "GET", "/api/{store}/{key}", (KEY,), "item?", _read, "The item of a key."),
    "update": Verb(
        True, "PATCH", "/api/{store}/{key}", (KEY, Parameter("changes", "update", required=True), WHEN), "item?",
        _update, "Change some attributes of an item.",
    ),
    "delete": Verb(True, "DELETE", "/api/{store}/{key}", (KEY, WHEN), "deleted", _delete, "Delete an item."),
    "search": Verb(
        False, "GET", "/api/{store}",
        (
            WHERE,
            QUERY,
            Parameter("order", "order", description="Attributes to sort by; ties end on the key"),
            Parameter("limit", int, default=DEFAULT_LIMIT, description="Matches a page holds"),
            Parameter("cursor", str, description="Continues the page it came from"),
        ),
        "page", _search, "The items that match, a page at a time.",
    ),
    "count": Verb(False, "GET", "/api/{store}-count", (WHERE, QUERY), "count", _count, "How many items match."),
    "read_batch": Verb(
        False, "GET", "/api/{store}-batch",
        (Parameter("keys", "keys", required=True, description=f"Up to {MAX_BATCH} keys"),), "items?", _read_batch,
        "The items of some keys, null where there is none.",
    ),
    "edit_batch": Verb(
        True, "POST", "/api/{store}-batch",
        (
            Parameter("edits", "edits", required=True, description=f"Up to {MAX_BATCH} edits"),
            Parameter("atomic", bool, default=False, description="All or nothing"),
        ),
        "results", _edit_batch, "Create, update and delete some items; each edit has its own result.",
    ),
}  # fmt: skip
"""The verbs of every store and where they stand in HTTP and GraphQL."""


def store_operations(app: App) -> dict[str, StoreOperation]:
    """The operations of the app's stores, by name: those that each item's access rule allows."""
    return {
        f"{meta.name}_{verb}": _store_operation(app.store(meta.name), verb, row)
        for meta in app.metas.values()
        for verb, row in VERBS.items()
        if meta.access is not None and meta.access.allows(verb)
    }


ASKED: dict[str, str] = {"read_batch": "read"}
"""Verb → the verb whose rule it is held to, where that is another. The edits of a batch are held to their own."""


def _called(
    store: Store[Any],
    verb: str,
    call: Callable[[Store[Any], Arguments], Any],
    arguments: Arguments,
    caller: Caller = ANONYMOUS,
) -> Any:
    """Whoever may not do it at all is told so, and nothing of what is wrong with the arguments."""
    bound = store.on_behalf_of(caller)
    if verb != "edit_batch":
        bound.guard.rows(ASKED.get(verb, verb))
    return call(bound, arguments)


def _store_operation(store: Store[Any], verb: str, row: Verb) -> StoreOperation:
    return StoreOperation(
        name=f"{store.meta.name}_{verb}",
        mutation=row.mutation,
        method=row.method,
        path=row.path.replace("{store}", kebab(store.meta.name)),
        parameters=row.parameters,
        result=row.result,
        call=partial(_called, store, verb, row.call),
        verb=verb,
        meta=store.meta,
        description=row.description,
    )
