"""Links as fields: what is behind a link of all objects that have the field, by one call of their store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.meta import StoreMeta
from ...query.parse import filter_of_json
from ...store.sizes import DEFAULT_LIMIT
from ..operations import VERBS, Parameter
from .nodes import Run
from .resolve import called_with
from .results import LinkField
from .selection import Selected

PARAMETERS: dict[str, Parameter] = {one.name: one for one in VERBS["search"].parameters}


def parameters_of(link: LinkField) -> tuple[Parameter, ...]:
    """The arguments that the field takes."""
    return tuple(PARAMETERS[name] for name in link.parameters)


def load(meta: StoreMeta[Any], link: LinkField, selected: Selected, run: Run, items: Sequence[Any]) -> list[Any]:
    """What is behind the link of each item. Raises what is wrong with the arguments, and what the caller may not ask."""
    store = run.store(meta)
    target = store.beside(link.target)
    target.guard.rows("read")  # nothing there is for this caller: said so, instead of an empty answer
    if link.parameters:
        given = called_with(link.target, parameters_of(link), selected.arguments(run.variables))
    else:
        given = {}
    where = filter_of_json(link.target, given.get("where"), "/where", target.guard.view)
    limit = DEFAULT_LIMIT if given.get("limit") is None else given["limit"]
    return store.related(
        link.link.name, items, where=where, order=given.get("order") or None, limit=limit, cursor=given.get("cursor")
    )
