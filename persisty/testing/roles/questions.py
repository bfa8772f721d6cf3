"""Hypothesis strategies for requests that try to reveal hidden data: filters (through links, with words), changes and conditions.

They use hidden attributes as well as visible ones.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .oracle import KINDS, attributes
from .world import world_of

WORLD = world_of("a", "b")
LINKS: dict[str, dict[str, str]] = {
    "diary": {"profile": "profile"},
    "article": {"profile": "profile", "reviewer": "profile", "comments": "comment"},
    "comment": {"article": "article"},
    "profile": {"articles": "article", "reviews": "article", "diaries": "diary", "diary": "diary", "vaults": "vault", "teams": "team"},
    "vault": {"profile": "profile"},
    "notice": {"diary": "diary"},
    "team": {"profiles": "profile"},
    "enrolment": {"profile": "profile", "team": "team"},
    "ledger": {},
}  # fmt: skip
"""Kind → the links that a filter may follow, with their targets."""
EXTRA: dict[str, list[Any]] = {
    "email": ["hidden@example.com"], "score": [5, -1], "digest": ["hidden-digest"], "realm": ["hidden-realm"], "text": ["otherwise"],
    "owner_id": ["eve", "zoe"], "tenant": ["gold"], "rank": [77], "id": ["z", "A"],
}  # fmt: skip
TEXT = ("eq", "ne", "lt", "ge", "oneof", "contains", "startswith", "icontains", "null")
NUMBER = ("eq", "ne", "lt", "le", "gt", "ge", "oneof", "null")
FLAG = ("eq", "ne", "null")
WORDS = ("ann", "bob", "hidden", "example.com", "gold", "article", "otherwise", "digest", "east", "by ann", "a-ann")


def values(kind: str, name: str) -> list[Any]:
    """Return useful values to compare an attribute with: its values in all worlds."""
    there = [row[name] for row in WORLD[kind].values() if row[name] is not None]
    return list(dict.fromkeys([*there, *(EXTRA.get(name, []))])) or ["a-ann"]


def _operators(found: list[Any]) -> tuple[str, ...]:
    return FLAG if isinstance(found[0], bool) else NUMBER if isinstance(found[0], int) else TEXT


@st.composite
def comparisons(draw: Any, kind: str) -> dict[str, Any]:
    name = draw(st.sampled_from(attributes(kind)))
    found = values(kind, name)
    operator = draw(st.sampled_from(_operators(found)))
    if operator == "null":
        value: Any = draw(st.booleans())
    elif operator == "oneof":
        value = draw(st.lists(st.sampled_from(found), min_size=1, max_size=3))
    else:
        value = draw(st.sampled_from(found))
        value = value[:4] if operator in ("contains", "startswith", "icontains") else value
    return {name: {operator: value}}


@st.composite
def filters(draw: Any, kind: str, depth: int = 3) -> dict[str, Any]:
    """Draw a filter in JSON, which Python reads too."""
    form = draw(st.sampled_from(("compare", "compare", "link", "and", "or", "not", "query"))) if depth else "compare"
    if form == "link" and LINKS[kind]:
        link = draw(st.sampled_from(sorted(LINKS[kind])))
        return {link: draw(filters(LINKS[kind][link], depth - 1) | st.just({}))}
    if form in ("and", "or"):
        return {form: [draw(filters(kind, depth - 1)) for _ in range(2)]}
    if form == "not":
        return {"not": draw(filters(kind, depth - 1))}
    if form == "query":
        return {"query": draw(st.sampled_from(WORDS))}
    found: dict[str, Any] = draw(comparisons(kind))
    return found


@st.composite
def orders(draw: Any, kind: str) -> list[str]:
    names = draw(st.lists(st.sampled_from(attributes(kind)), max_size=2, unique=True))
    return [draw(st.sampled_from(("", "-"))) + name for name in names]


@st.composite
def changes(draw: Any, kind: str) -> dict[str, Any]:
    """Draw changes of any attributes, also with `add` and `append`."""
    names = [name for name in attributes(kind) if name != "id"]
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        known = values(kind, name)
        added = st.sampled_from([{"add": 1}, {"add": -3}, {"append": ["x"]}])
        found[name] = draw(st.sampled_from(known) | st.none() | added)
    return found


def kinds() -> st.SearchStrategy[str]:
    return st.sampled_from(KINDS)


def keys(kind: str) -> st.SearchStrategy[str]:
    """Keys of rows that some role sees, and of a missing row."""
    return st.sampled_from([*WORLD[kind], "nowhere", "z", "A"])
