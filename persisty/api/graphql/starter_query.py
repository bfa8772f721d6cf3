"""The query that GraphiQL shows first: the first page of one of the app's stores, with some of its links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...model.meta import StoreMeta
from ...model.value_types import is_name
from ..operations import ActionOperation, Operation, StoreOperation
from .described_types import annotation_ref, item_record
from .result_types import link_fields, offered_in
from .types import Field, Leaf, Ref

MOST_FIELDS = 6
MOST_LINKS = 2
LIMIT = 5
NOTHING = "{\n  __typename\n}\n"
HINT = '# Ctrl+Enter runs this query.\n# A token goes under Headers:\n# {{"authorization": "Bearer …"}}\n{query}'


def starter_query(operations: Iterable[Operation]) -> str:
    """Return a query that every app answers: a search of the store with the most links, else an action without arguments."""
    known = list(operations)
    searches = [one for one in known if isinstance(one, StoreOperation) and one.verb == "search"]
    offered = offered_in(known)
    if searches:
        chosen = max(
            searches,
            key=lambda one: sum(link.link.kind == "belongs_to" for link in link_fields(one.meta, offered).values()),
        )
        lines = [
            f"{chosen.field}(limit: {LIMIT}) {{",
            "  items {",
            *_fields(chosen.meta, offered),
            "  }",
            "  cursor",
            "}",
        ]
        return HINT.format(query="\n".join(["{", *(f"  {line}" for line in lines), "}", ""]))
    for one in known:
        if isinstance(one, ActionOperation) and not one.mutation and not any(each.required for each in one.parameters):
            ref = annotation_ref(one.result)
            if isinstance(ref.type, Leaf):
                return HINT.format(query=f"{{\n  {one.field}\n}}\n")
    return HINT.format(query=NOTHING)


def _fields(meta: StoreMeta[Any], offered: frozenset[StoreMeta[Any]]) -> list[str]:
    lines = [f"    {name}" for name in _leaves(meta)[:MOST_FIELDS]]
    links = [
        (name, link.target)
        for name, link in link_fields(meta, offered).items()
        if link.link.kind == "belongs_to" and link.target is not meta
    ]
    for name, target in links[:MOST_LINKS]:
        lines += [f"    {name} {{", *(f"      {one}" for one in _leaves(target)[:2]), "    }"]
    return lines


def _leaves(meta: StoreMeta[Any]) -> list[str]:
    return [field.name for field in item_record(meta).fields if _shown(field)]


def _shown(field: Field) -> bool:
    ref: Ref = field.ref
    return isinstance(ref.type, Leaf) and field.readable is True and is_name(field.name)
