"""Links that AppSync resolves separately: a batch of objects becomes an envelope for each.

AppSync collects the events of one link for the objects of one request. Events that differ only in the object (the same link, arguments, selection and
caller) need one call of the store, like links below a root field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from ....errors import Fault, InvalidInput, NotFound
from ....model.meta import StoreMeta
from ....naming import pascal
from ....security.caller import Caller
from ..compiler import Planner
from ..complexity import MOST, check_complexity
from ..executor import Failure, Member, Run
from ..result_types import LinkField
from .appsync_selection import Picker, paths_of
from .selection_text import Parts, parse_selection

SHARED = (
    "typeName", "fieldName", "arguments", "selectionSetGraphQL", "selectionSetList", "variables", "identity", "request",
)  # fmt: skip
"""Members of an event that are the same for all objects of a group."""
Answers = tuple[list[Any], list[Failure]]
"""The linked items of each object, and the failures. The first step of a failure's path is the position of the object."""


def grouped(events: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Return the positions of the events in each group that is answered together."""
    groups: dict[bytes, list[int]] = {}
    for position, event in enumerate(events):
        shared = msgspec.json.encode([event.get(name) for name in SHARED], order="deterministic")
        groups.setdefault(shared, []).append(position)
    return list(groups.values())


class LinkBatch:
    """Answers links of one schema. `metas`: the items whose links these are."""

    def __init__(self, planner: Planner, metas: Mapping[str, StoreMeta[Any]]) -> None:
        self._planner = planner
        self._metas = {pascal(meta.name): meta for meta in metas.values()}

    def answer(
        self, events: Sequence[Mapping[str, Any]], run_for: Callable[[Caller, Any], Run], caller: Caller
    ) -> Answers:
        """Return the linked items for events that differ only in their objects. Raises an error that concerns all of them."""
        event = events[0]
        variables, arguments = _mapping(event.get("variables")), _mapping(event.get("arguments"))
        meta, link = self._link(event)
        picker = Picker(variables, self._planner.links)
        parts, listed = _selection(event), paths_of(event.get("selectionSetList"))
        member = self._planner.below(meta, picker.selected(link.link.name, link.ref, parts, listed, arguments))
        run = run_for(caller, variables)
        check_complexity([len(events) * _weight(member, variables)], MOST)
        objects = [_object(meta, link, one.get("source")) for one in events]
        if member.load is None or member.node is None:
            raise NotFound("This field is not a link")
        found = member.node.complete(run, member.load(run, objects), lambda position: (position,))
        return found, run.failures

    def _link(self, event: Mapping[str, Any]) -> tuple[StoreMeta[Any], LinkField]:
        type_, field = str(event.get("typeName")), str(event.get("fieldName"))
        meta = self._metas.get(type_)
        link = None if meta is None else self._planner.links(meta).get(field)
        if meta is None or link is None:
            raise NotFound(f"No link is named {type_[:100]}.{field[:100]}")
        return meta, link


def _weight(member: Member, variables: Any) -> int:
    many = 1 if member.many is None else member.many(variables)
    return 1 if member.node is None else member.node.weight(variables, many)


def _selection(event: Mapping[str, Any]) -> Parts:
    """Return the selection, which is empty for a number."""
    text = event.get("selectionSetGraphQL")
    return parse_selection(text) if isinstance(text, str) and text else Parts(())


def _object(meta: StoreMeta[Any], link: LinkField, source: Any) -> Any:
    """Return an item with only the value that the link follows."""
    local = meta.attributes[link.link.ends.local]
    try:
        value = None if source is None else msgspec.json.decode(source, type=local.operand)
    except (msgspec.DecodeError, TypeError) as error:
        fault = Fault("/source", "Expected the value that the link follows, as JSON")
        raise InvalidInput("Not an event of a link", faults=[fault]) from error
    return meta.item(**{**dict.fromkeys(meta.attributes, UNSET), local.name: value})


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}
