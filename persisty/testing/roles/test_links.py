"""Links as every role sees them: a link leads to items that the role may read, and only if the role sees the link's attributes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from persisty import PersistyError, ResultPage
from persisty.naming import camel, pascal

from .cast import Role
from .fixtures import Cells
from .oracle import Answer, Row, World, known, might, refused, related, rows, shown, visible
from .surfaces import OverGraphql, OverRest, Python, selection
from .test_reads import every_role
from .world import Stage

MANY: dict[tuple[str, str], tuple[str, str, str]] = {
    ("profile", "articles"): ("id", "article", "profile_id"),
    ("profile", "reviews"): ("id", "article", "reviewer_id"),
    ("profile", "diaries"): ("id", "diary", "profile_id"),
    ("article", "comments"): ("id", "comment", "article_id"),
}
ONE: dict[tuple[str, str], tuple[str, str, str]] = {
    ("diary", "profile"): ("profile_id", "profile", "id"),
    ("article", "profile"): ("profile_id", "profile", "id"),
    ("article", "reviewer"): ("reviewer_id", "profile", "id"),
    ("comment", "article"): ("article_id", "article", "id"),
    ("notice", "diary"): ("diary_id", "diary", "id"),
    ("profile", "diary"): ("id", "diary", "profile_id"),
    ("enrolment", "team"): ("team_id", "team", "id"),
}
COUNTS = {"article_count": "articles", "review_count": "reviews", "diary_count": "diaries", "comment_count": "comments"}
THROUGH = {
    ("profile", "teams"): ("profile_id", "team_id", "team"),
    ("team", "profiles"): ("team_id", "profile_id", "profile"),
}
LINKS = [
    *MANY,
    *ONE,
    *THROUGH,
    *((kind, count) for count, many in COUNTS.items() for kind, name in MANY if name == many),
]
"""(kind, link) of every form, also through a join item and as counts."""


def behind(role: Role, kind: str, link: str, row: Row, world: World) -> Any:
    """Return the rows behind the link of a row."""
    if link in COUNTS:
        return len(behind(role, kind, COUNTS[link], row, world))
    if (kind, link) in THROUGH:
        near, far, target = THROUGH[kind, link]
        keys = {one[far] for one in rows(role, "enrolment", world) if one[near] == row["id"]}
        found = [one for key in sorted(keys) if (one := world[target].get(key))]
        return [shown(role, target, one, world) for one in found if visible(role, target, one, world)]
    local, target, remote = (MANY | ONE)[kind, link]
    return related(role, kind, row, local, target, remote, world, single=(kind, link) in ONE)


def target_of(kind: str, link: str) -> str:
    """Return the kind at the other end."""
    name = COUNTS.get(link, link)
    return THROUGH[kind, name][2] if (kind, name) in THROUGH else (MANY | ONE)[kind, name][1]


def _as_json(value: Any) -> Any:
    return msgspec.to_builtins(value.items if isinstance(value, ResultPage) else value)


@every_role
@pytest.mark.parametrize("place", LINKS, ids="-".join)
def test_linked_items(stage: Stage, cells: Cells, role: Role, place: tuple[str, str]) -> None:
    (kind, link), world = place, stage.world
    visible = rows(role, kind, world)
    closed = not might(role, "read", target_of(kind, link))
    right: list[Answer] = [("ok", [behind(role, kind, link, row, world) for row in visible])]
    if not might(role, "read", kind):
        right = [refused(role)]
    elif closed:
        right = [("error", "invalid_query"), refused(role)]
    elif (kind, link) in THROUGH and not might(role, "read", "enrolment"):
        right.append(("error", "invalid_query"))
    elif _goes_by_what_is_hidden(role, kind, link):
        right = [("error", "invalid_query")]
    if not visible and might(role, "read", kind):
        right.append(("ok", []))
    answer: Answer
    for surface in cells.of(role):
        if isinstance(surface, Python):
            try:
                store = surface.store(role, kind)
                found = store.related(link, store.search(order="id", limit=100).items, limit=100, **_by_key(kind, link))
                answer = ("ok", [_as_json(one) for one in found])
            except PersistyError as error:
                answer = ("error", error.code)
            cells.check(surface, f"{kind}.{link}", answer, right)
        if isinstance(surface, OverRest) and might(role, "read", kind):
            answer = surface.ask(role, kind, "search", include=link)
            if answer[0] == "ok":
                answer = ("ok", [_included(kind, link, one.get(link)) for one in answer[1]])
            cells.check(surface, f"{kind}.{link}", answer, right)
        if isinstance(surface, OverGraphql):
            cells.check(surface, f"{kind}.{link}", _queried(surface, role, kind, link), right)
    cells.settle()


def _goes_by_what_is_hidden(role: Role, kind: str, link: str) -> bool:
    """Return whether the role lacks the link, because the link uses an attribute that the role does not see."""
    name = COUNTS.get(link, link)
    if (kind, name) in THROUGH:
        return False
    local, target, remote = (MANY | ONE)[kind, name]
    return local not in known(role, kind) or remote not in known(role, target)


def _included(kind: str, link: str, value: Any) -> Any:
    return sorted(value["items"], key=lambda row: row["id"]) if isinstance(value, dict) and "items" in value else value


def _by_key(kind: str, link: str) -> dict[str, Any]:
    return {"order": "id"} if (kind, link) in MANY or (kind, link) in THROUGH else {}


def _queried(surface: OverGraphql, role: Role, kind: str, link: str) -> Answer:
    fields = selection(target_of(kind, link))
    form = (
        ""
        if link in COUNTS
        else f"{{ {fields} }}"
        if (kind, link) in ONE
        else f"(limit: 100, order: [id_asc]) {{ items {{ {fields} }} }}"
    )
    document = f"query ($w: {pascal(kind)}Where) {{ {camel(kind)}Search(where: $w, limit: 100, order: [id_asc]) {{ items {{ {link} {form} }} }} }}"
    answer = msgspec.json.decode(surface.send(role, document, {}).body)
    if "errors" in answer:
        return ("error", answer["errors"][0].get("extensions", {}).get("code", "no code"))
    found = [one[link] for one in answer["data"][f"{camel(kind)}Search"]["items"]]
    return ("ok", [one["items"] if isinstance(one, dict) and "items" in one else one for one in found])


@every_role
def test_counts_through_a_join_item_equal_the_loaded_items(stage: Stage, cells: Cells, role: Role) -> None:
    for surface in cells.of(role, python_only=True):
        for kind, link, count in (("profile", "teams", "team_count"),):
            store = surface.store(role, kind)
            right = len_of = [len(behind(role, kind, link, row, stage.world)) for row in rows(role, kind, stage.world)]
            try:
                answer: Answer = ("ok", store.related(count, store.search(order="id", limit=100).items))
            except PersistyError as error:
                answer = ("error", error.code)
            fine: list[Answer] = [("ok", right)]
            if not any(len_of):
                fine += [("error", "invalid_query"), refused(role)]
            cells.check(surface, f"{kind}.{count}", answer, fine)
    cells.settle()
