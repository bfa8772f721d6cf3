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

from ..limits import Cost
from ..limits import Limits as Limits  # noqa: PLC0414 - authors import it from here
from .repeated_fields import compares_more

WHAT = "The document"
_Fragments = dict[str, SelectionSetNode]


def excesses(document: DocumentNode, limits: Limits) -> list[str]:
    """Return a message for each limit that the document exceeds."""
    fragments = {
        one.name.value: one.selection_set for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    known: dict[str, Cost] = {}
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    try:
        costs = [_cost(one.selection_set, fragments, known) for one in operations]
        unused = [fragments[name] for name in fragments.keys() - known.keys()]
        costs += [_cost(one, fragments, known) for one in unused]  # validation rejects them, but reads them first
    except RecursionError:
        return ["The document is nested too deeply"]
    whole = Cost(
        max((one.depth for one in costs), default=0),
        sum(one.fields for one in costs),
        sum(one.aliases for one in costs),
    )
    messages = whole.excesses(limits, WHAT)
    if len(document.definitions) > limits.definitions:
        messages.append(f"{WHAT} has more than {limits.definitions} definitions")
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


def _cost(selections: SelectionSetNode | None, fragments: _Fragments, known: dict[str, Cost]) -> Cost:
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
    return Cost(depth, fields, aliases)


def _fragment_cost(name: str, fragments: _Fragments, known: dict[str, Cost]) -> Cost:
    if name not in known:
        known[name] = Cost()  # a fragment that spreads itself ends here; validation rejects it
        known[name] = _cost(fragments.get(name), fragments, known)
    return known[name]
