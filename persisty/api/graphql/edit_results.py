"""The edits of a batch and their results, in the form of GraphQL.

In REST, an edit names its store in the member `store`. GraphQL has a type for each edit, so there the edit is in a member with the store's name:
`{account: {update: …}}`. The item of a result is in such a member too, and the paths of faults have the name:
`/edits/0/account/update/changes/balance`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...errors import Fault
from ...store.edits import EditResult
from ..http.messages import listed
from ..operations import Arguments

_OF_EDIT = re.compile(r"/edits/(\d+)(?=/|$)")


class Edited(Struct, frozen=True):
    """The result of one edit, with the members of its GraphQL type."""

    code: str
    message: str | None = None
    item: Any = None
    faults: tuple[Fault, ...] | None = None
    attributes: list[str] | None = None


def edited(result: EditResult[Any], store: str | None) -> Edited:
    """Return the result of an edit. `store`: the name of its store in a batch of several stores."""
    error = result.error
    item = result.item if error is None else getattr(error, "item", None)
    if store is not None and item is not None:
        item = {store: item}
    if error is None:
        return Edited(result.code, item=item)
    faults = listed(error.faults)
    if store is not None:
        faults = tuple(_named(fault, store) for fault in faults)
    return Edited(result.code, error.message, item, faults or None, error.details.get("attributes"))


def each_edit(edits: Any) -> list[Any]:
    """Return the edits of an argument. In GraphQL a single value may be given for a list."""
    return edits if isinstance(edits, list) else [edits]


def named_edits(edits: Any, plain: Callable[[str, Any], Any]) -> list[Any]:
    """Return the edits of several stores in the form of REST. `plain`: a store's name and its edit → the edit as JSON."""
    found = []
    for edit in each_edit(edits):
        chosen = _chosen(edit)
        body = plain(*next(iter(chosen.items()))) if len(chosen) == 1 else {}
        found.append({**(body if isinstance(body, Mapping) else {}), "store": ", ".join(chosen) or None})
    return found


def stores_of(arguments: Arguments) -> list[str | None]:
    """Return the store of each edit, None for an edit that does not name one."""
    named = (_chosen(edit) for edit in each_edit(arguments.get("edits")))
    return [next(iter(one)) if len(one) == 1 else None for one in named]


def placed(fault: Fault, stores: Sequence[str | None]) -> Fault:
    """Return a fault of a batch of several stores with its path in the arguments."""
    found = _OF_EDIT.match(fault.path)
    position = int(found[1]) if found else len(stores)
    if position >= len(stores):
        return fault
    store = stores[position]
    if store is None:
        return replace(fault, path=f"/edits/{position}", message="Expected the edit of exactly one store")
    return _named(fault, store)


def _named(fault: Fault, store: str) -> Fault:
    return replace(fault, path=_OF_EDIT.sub(rf"\g<0>/{store}", fault.path, count=1))


def _chosen(edit: Any) -> dict[str, Any]:
    return {name: body for name, body in edit.items() if body is not None} if isinstance(edit, Mapping) else {}
