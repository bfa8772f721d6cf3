"""The operation on several stores: `App.edit_batch` for callers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..application import App
from ..errors import Fault, InvalidInput
from ..model.meta import StoreMeta
from ..security.caller import ANONYMOUS, Caller
from ..store.edits import EditResult
from ..store.store import Store
from .batch_edits import carry_out
from .operations import Arguments, MultiStoreOperation, StoreOperation
from .store_operations import OFFERS, store_operations

PATH = "/api/-batch"
"""The path of a store's batch, without a store. No item has a name with this path."""
MIN_STORES = 2
"""The operation exists only if at least this many stores offer batches."""


def multi_store_operations(
    app: App, metas: Mapping[str, StoreMeta[Any]] | None = None
) -> dict[str, MultiStoreOperation]:
    """Return the operations on several stores, by name: `edit_batch`, for the stores that offer batches. `metas`: the items of one revision, by
    default the app's current items."""
    known = app.metas if metas is None else metas
    stores = tuple(one for one in known.values() if one.access is not None and one.access.allows("edit_batch"))
    if len(stores) < MIN_STORES:
        return {}
    offer = OFFERS["edit_batch"]
    operation = MultiStoreOperation(
        name="edit_batch",
        mutation=True,
        method=offer.method,
        path=PATH,
        parameters=offer.parameters,
        result=offer.result,
        call=partial(_edit_batch, app, {one.name: one for one in stores}),
        description="Create, update and delete items of several stores; each edit has its own result.",
        stores=stores,
    )
    return {operation.name: operation}


def operations_of_stores(app: App) -> dict[str, StoreOperation | MultiStoreOperation]:
    """Return the operations of each store and those on several stores, by name."""
    return {**store_operations(app), **multi_store_operations(app)}


def _edit_batch(
    app: App, offered: dict[str, StoreMeta[Any]], arguments: Arguments, caller: Caller = ANONYMOUS
) -> list[EditResult[Any]]:
    def store_of(edit: Arguments, path: str) -> tuple[Store[Any], str, Arguments]:
        name = edit.get("store")
        if not isinstance(name, str) or name not in offered:
            expected, found = "one of " + ", ".join(offered), str(name)[:64] if name is not None else "nothing"
            raise InvalidInput(faults=[Fault(f"{path}/store", "Unknown store", expected, found)])
        rest = {member: value for member, value in edit.items() if member != "store"}
        return app.store(name).on_behalf_of(caller), name, rest

    return carry_out(arguments, store_of, partial(app.edit_batch, caller=caller))
