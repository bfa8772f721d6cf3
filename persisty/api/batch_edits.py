"""Batches of edits as callers send them: parse and check all edits together, then pass them to the store."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from ..errors import Fault, InvalidInput, PersistyError, PreconditionRequired
from ..model.expressions import ALL, Filter
from ..model.msgspec_faults import pointer
from ..query.filter_parsing import filter_of_json
from ..store import edits
from ..store.limits import check_batch
from ..store.store import Store, context_of
from .arguments import Faults, array_from, object_from
from .operations import Arguments, unknown_members

StoreOf = Callable[[Arguments, str], tuple[Store[Any], str | None, Arguments]]
"""Takes an edit as it was sent and its path. Returns its store, the store's name if the edit has to name it, and the rest of the edit."""
Send = Callable[..., list[edits.EditResult[Any]]]


def edit_batch(store: Store[Any], arguments: Arguments) -> list[edits.EditResult[Any]]:
    """Execute the edits of one store. Raises the faults of all edits at once, each with its path in the request."""
    return carry_out(arguments, lambda edit, path: (store, None, edit), store.edit_batch)


def carry_out(arguments: Arguments, store_of: StoreOf, send: Send) -> list[edits.EditResult[Any]]:
    """Execute the edits through `send`, the `edit_batch` of a store or of the app."""
    given = array_from(arguments.get("edits"), "/edits")
    check_batch(given)
    try:
        batch = _parsed(store_of, given)
        lacking = [at for position, one in enumerate(batch) if (at := _missing_condition(*one, position))]
        if lacking:
            raise PreconditionRequired(
                "These edits need a condition: send `when` in each",
                faults=[Fault(at, "Missing", "a condition", "nothing") for at in lacking],
            )
        planned = [edit for _, edit in batch]
        try:
            results = send(planned, atomic=bool(arguments.get("atomic")))
        except PersistyError as error:
            _locate(error, planned)
            raise
    except PersistyError:
        # the faults of the values are raised first, together with those of the edits' form
        _parsed(store_of, given, check=True)
        raise
    for result in results:
        if result.error is not None:
            _locate(result.error, planned)
    return results


def _parsed(store_of: StoreOf, given: list[Any], *, check: bool = False) -> list[tuple[Store[Any], edits.Edit]]:
    """Return the edits with their stores. Raises every fault of their form; with `check` also those of their values."""
    faults = Faults()
    batch = [
        faults.gather(partial(_placed_edit, store_of, one, pointer("edits", at), check)) for at, one in enumerate(given)
    ]
    faults.settle(InvalidInput)
    return [one for one in batch if one is not None]


def _placed_edit(store_of: StoreOf, given: Any, path: str, check: bool) -> tuple[Store[Any], edits.Edit]:
    store, named, rest = store_of(object_from(given, path), path)
    edit = _edit(store, rest, path, check)
    return store, edit if named is None else msgspec.structs.replace(edit, store=named)


def _missing_condition(store: Store[Any], edit: edits.Edit, position: int) -> str | None:
    """Return the path of the condition that an edit lacks although its item requires one, else None."""
    if not isinstance(edit, edits.Update | edits.Delete):
        return None
    path = pointer("edits", position, CONDITIONAL[type(edit)], "when")
    return path if unconditional(store, edit.when, path) else None


CONDITIONAL: dict[type, str] = {edits.Update: "update", edits.Delete: "delete"}
"""Edits that may have a condition → their member in a request."""

SENT: dict[type, dict[str, str]] = {
    edits.Create: {"item": "create"},
    edits.Update: {name: f"update/{name}" for name in ("key", "changes", "when")},
    edits.Delete: {"key": "delete/key", "when": "delete/when", "changes": "delete"},
}
"""Edit → attribute of its record in Python → path within the edit of a request. Engines use `changes` in the path of a deletion's fault."""
_AT = re.compile(r"^(/edits/(\d+)/)([^/]+)")


def _locate(error: PersistyError, batch: list[edits.Edit]) -> None:
    """Replace the paths of an error's faults with those of the request: `/edits/3/item/name` of a `Create` becomes `/edits/3/create/name`."""

    def sent(found: re.Match[str]) -> str:
        position = int(found[2])
        names = SENT.get(type(batch[position]), {}) if position < len(batch) else {}
        return found[1] + names.get(found[3], found[3])

    error.faults = tuple(
        msgspec.structs.replace(fault, path=_AT.sub(sent, fault.path, count=1)) for fault in error.faults
    )


def _edit(store: Store[Any], given: Any, path: str, check: bool) -> edits.Edit:
    chosen = {verb: body for verb, body in object_from(given, path).items() if body is not None}
    if len(chosen) != 1 or not chosen.keys() <= EDITS.keys():
        expected = "exactly one of " + ", ".join(EDITS)
        raise InvalidInput(faults=[Fault(path, f"Expected {expected}", expected, ", ".join(chosen) or "nothing")])
    [(verb, body)] = chosen.items()
    context_of(store).guard.row_filter(verb)
    return EDITS[verb](store, object_from(body, path + pointer(verb)), path + pointer(verb), check)


def _edit_create(store: Store[Any], body: Arguments, path: str, check: bool) -> edits.Edit:
    if check:
        context_of(store).guard.new(body, path)
    return edits.Create(body)


def _edit_update(store: Store[Any], body: Arguments, path: str, check: bool) -> edits.Edit:
    faults = Faults([*unknown_members(body, ("key", "changes", "when"), path), *_key_faults(body, path)])
    changes = faults.gather(lambda: object_from(body.get("changes"), path + "/changes"))
    if check:
        faults.gather(lambda: changes and context_of(store).guard.changes(changes, path + "/changes"))
    when = faults.gather(
        lambda: filter_of_json(store.meta, body.get("when"), path + "/when", context_of(store).guard.view)
    )
    faults.settle(InvalidInput)
    return edits.Update(body["key"], changes or {}, when)


def _edit_delete(store: Store[Any], body: Arguments, path: str, check: bool) -> edits.Edit:
    faults = Faults([*unknown_members(body, ("key", "when"), path), *_key_faults(body, path)])
    when = faults.gather(
        lambda: filter_of_json(store.meta, body.get("when"), path + "/when", context_of(store).guard.view)
    )
    faults.settle(InvalidInput)
    return edits.Delete(body["key"], when)


EDITS: dict[str, Callable[[Store[Any], Arguments, str, bool], edits.Edit]] = {
    "create": _edit_create,
    "update": _edit_update,
    "delete": _edit_delete,
}
"""An edit of a batch is an object with one of these members."""


def _key_faults(body: Arguments, path: str) -> list[Fault]:
    key = body.get("key")
    found = "null" if key is None else type(key).__name__
    return [] if isinstance(key, str) else [Fault(path + "/key", "Expected str", "str", found)]


def unconditional(store: Store[Any], when: Filter | None, path: str) -> bool:
    """Return whether a write lacks a condition that its item requires. A filter that matches every item is no condition."""
    return store.meta.conditional_writes and context_of(store).preparation.where(when, path) == ALL
