"""Limits of a document. They are checked before validation, because a short text can request a very large response."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from msgspec import Struct

from ..complexity import MOST
from .repeated_fields import compares_more


class Limits(Struct, frozen=True):
    """The limits of a document.

    `tokens`: of the text. `depth`, `fields`, `aliases`: of the selection, where a fragment counts each time it is spread. `definitions`: operations
    and fragments. `values`: in the variables. `comparisons`: of fields with the same response name in one place, which validation makes.
    `complexity`: values in the response (`complexity.py`). `introspection`: whether it is allowed; `depth` does not limit it.
    """

    tokens: int = 5_000
    depth: int = 12
    fields: int = 1_000
    aliases: int = 50
    definitions: int = 200
    values: int = 50_000
    comparisons: int = 10_000
    complexity: int = MOST
    introspection: bool = True


class _Cost(Struct, frozen=True):
    depth: int = 0
    fields: int = 0
    aliases: int = 0


_Fragments = dict[str, SelectionSetNode]


def excesses(document: DocumentNode, limits: Limits) -> list[str]:
    """Return a message for each limit that the document exceeds."""
    fragments = {
        one.name.value: one.selection_set for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    known: dict[str, _Cost] = {}
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    try:
        costs = [_cost(one.selection_set, fragments, known) for one in operations]
        unused = [fragments[name] for name in fragments.keys() - known.keys()]
        costs += [_cost(one, fragments, known) for one in unused]  # validation rejects them, but reads them first
    except RecursionError:
        return ["The document is nested too deeply"]
    found = (
        ("levels", limits.depth, max((one.depth for one in costs), default=0)),
        ("fields", limits.fields, sum(one.fields for one in costs)),
        ("aliases", limits.aliases, sum(one.aliases for one in costs)),
        ("definitions", limits.definitions, len(document.definitions)),
    )
    messages = [f"The document has more than {limit} {name}" for name, limit, used in found if used > limit]
    roots = [*(one.selection_set for one in operations), *unused]
    if not messages and compares_more(roots, fragments, limits.comparisons):
        return ["The document repeats too many fields in one place"]
    return messages


def holds_more(given: Any, most: int) -> bool:
    """Return whether a decoded value has more than `most` members and elements, at every level together."""
    left, count = [given], 0
    while left:
        one = left.pop()
        members = one.values() if isinstance(one, dict) else one
        count += len(members)
        if count > most:
            return True
        left.extend(member for member in members if isinstance(member, dict | list))
    return False


def fields_of(document: DocumentNode) -> int:
    """Return the number of selections in the operations and fragments of a document."""
    left: list[SelectionSetNode | None] = [getattr(one, "selection_set", None) for one in document.definitions]
    count = 0
    while left:
        selections = left.pop()
        for one in selections.selections if selections else ():
            count += 1
            left.append(getattr(one, "selection_set", None))
    return count


def _cost(selections: SelectionSetNode | None, fragments: _Fragments, known: dict[str, _Cost]) -> _Cost:
    """Return the cost of a selection. Each fragment is counted once and cached, so that many spreads cost no time."""
    depth = fields = aliases = 0
    for one in selections.selections if selections else ():
        if isinstance(one, FieldNode):
            part = _cost(one.selection_set, fragments, known)
            below = 0 if one.name.value.startswith("__") else part.depth + 1
            fields, aliases = fields + 1, aliases + (one.alias is not None)
        elif isinstance(one, FragmentSpreadNode):
            part = _fragment_cost(one.name.value, fragments, known)
            below = part.depth
        elif isinstance(one, InlineFragmentNode):
            part = _cost(one.selection_set, fragments, known)
            below = part.depth
        else:
            continue
        depth, fields, aliases = max(depth, below), fields + part.fields, aliases + part.aliases
    return _Cost(depth, fields, aliases)


def _fragment_cost(name: str, fragments: _Fragments, known: dict[str, _Cost]) -> _Cost:
    if name not in known:
        known[name] = _Cost()  # a fragment that spreads itself ends here; validation rejects it
        known[name] = _cost(fragments.get(name), fragments, known)
    return known[name]
