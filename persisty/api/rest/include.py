"""`?include=author,messages.author`: a response that includes linked items.

Each link is loaded for all items at once. Linked items that the caller may not read are left out.
"""

from __future__ import annotations

from typing import Any

from ...errors import Fault
from ...model.allowed_values import one_of
from ...model.msgspec_faults import pointer
from ...store.link_loading import open_links
from ...store.store import Store, context_of

INCLUDE = "include"
"""The parameter: names separated by commas, or the parameter repeated."""
MAX_LEVELS, MAX_LINKS = 3, 10
"""Most levels of links that a response includes, and most links."""


def split(given: list[tuple[str, str]], name_of_parameter: str = INCLUDE) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the names that a parameter lists, each once, and the other parameters."""
    named = [name for parameter, value in given if parameter == name_of_parameter for name in value.split(",") if name]
    return list(dict.fromkeys(named)), [one for one in given if one[0] != name_of_parameter] if named else given


def faults(store: Store[Any], names: list[str]) -> list[Fault]:
    """Return the faults of links that do not exist, or that a response cannot include."""
    found = [fault for position, name in enumerate(names[:MAX_LINKS]) if (fault := _fault(store, name, position))]
    return [*found, too_many(INCLUDE, len(names))] if len(names) > MAX_LINKS else found


def too_many(parameter: str, links: int) -> Fault:
    """Return the fault of a parameter with more links than a response includes."""
    return Fault(pointer(parameter), f"A response includes at most {MAX_LINKS} links", found=str(links))


def _fault(store: Store[Any], name: str, position: int) -> Fault | None:
    steps = name.split(".")
    path = pointer(INCLUDE, position)
    if len(steps) > MAX_LEVELS:
        return Fault(path, f"A response follows links for at most {MAX_LEVELS} levels", found=name[:64])
    here = context_of(store)
    for step in steps:
        known = open_links(here)
        if step not in known:
            return Fault(path, "Unknown link", one_of(known), step[:64])
        here = here.of(known[step].ends.target)
    return None
