"""The differences between deployed tables and declared ones, as changes with their effects, which `persisty diff --deployed` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.schema_changes import Change, Effect
from .waves import Loss, Shapes, TableShape, losses


def deployed_changes(
    declared: Shapes, deployed: Shapes, stacked: Sequence[str]
) -> tuple[list[Change], dict[Change, str]]:
    """Return the changes that a deployment would make to tables, and those that no deployment can make, each with the reason. `stacked`: the names of the
    tables in the deployed stacks."""
    lost = list(losses(declared, deployed, stacked))
    paths = {loss.path for loss in lost}
    changes = [one for table in declared.values() for one in _of_table(table, deployed) if one.path not in paths]
    destructive = {_of_loss(loss): loss for loss in lost}
    refused = {change: "No deployment makes this change" for change, loss in destructive.items() if loss.name is None}
    return [*changes, *destructive], refused


def _of_table(table: TableShape, deployed: Shapes) -> Iterator[Change]:
    was = deployed.get(table.name)
    if was is None:
        message = f"The table is new, with {len(table.indexes)} indexes"
        yield Change(kind="item_added", effect=Effect.SAFE, store=table.name, message=message)
        return
    for kind, some, counterparts, verb in (
        ("index_added", table.indexes, was.indexes, "added"),
        ("index_removed", was.indexes, table.indexes, "removed"),
    ):
        for index in some:
            if index not in counterparts:
                message = f"The index is {verb}, in an update of its own"
                yield Change(kind=kind, effect=Effect.WAVES, store=table.name, name=index.name, message=message)


def _of_loss(loss: Loss) -> Change:
    _, store, *name = loss.path.split("/")
    kind = "index_rebuilt" if name else "item_removed"
    return Change(
        kind="key_changed" if loss.name is None else kind, effect=Effect.DESTRUCTIVE, store=store, name="".join(name),
        message=loss.message, allow=loss.name,
    )  # fmt: skip
