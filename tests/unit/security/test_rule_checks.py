"""A mistake in an access rule is reported with its path: by `@stored` if the item alone shows it, else by `App`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    InvalidDeclaration,
    authenticated,
    custom,
    everyone,
    link,
    linked,
    member,
    meta_of,
    owned,
    public,
    scope,
    stored,
    where,
)
from persisty.model.expressions import Text


@stored(access=public)
class Author:
    id: UUID
    name: str = ""
    age: int = 0
    team_id: UUID | None = None
    team: BelongsTo[Team] = link()


@stored(access=public)
class Team:
    id: UUID
    chief: str = ""


def message(access: Any = None, readable: Any = True, creatable: Any = None, updatable: Any = None) -> type[Any]:
    @stored(access=access)
    class Message:
        id: UUID
        text: str = Attr(default="", readable=readable, creatable=creatable, updatable=updatable)
        rank: int = 0
        published: bool = False
        author_id: UUID | None = None
        author: BelongsTo[Author] = link()

    return Message


ATTRIBUTES = "one of id, text, rank, published, author_id"
AT_DECLARATION: dict[str, tuple[Callable[[], Any], list[tuple[str, str | None, str | None]]]] = {
    "access is text": (lambda: message("public"), [("/message/access", "Access, or a rule", "'public'")]),
    "access is a bool": (lambda: message(True), [("/message/access", "Access, or a rule", "True")]),
    "access is a class": (lambda: message(Access), [("/message/access", "Access, or a rule", repr(Access))]),
    "a verb has an Access": (lambda: message(Access(read=public)), [("/message/access/read", "a rule", repr(public)[:80])]),  # type: ignore[arg-type]
    "a verb has a bool": (lambda: message(Access(delete=True)), [("/message/access/delete", "a rule", "True")]),  # type: ignore[arg-type]
    "an attribute has text": (lambda: message(readable="admin"), [("/message/text/readable", "True, False, or a rule", "'admin'")]),
    "an attribute has nothing": (lambda: message(readable=None), [("/message/text/readable", "True, False, or a rule", "None")]),
    "an attribute has a number": (lambda: message(updatable=1), [("/message/text/updatable", "True, False, or a rule", "1")]),
    "an attribute has an Access": (lambda: message(creatable=public), [("/message/text/creatable", "True, False, or a rule", repr(public)[:80])]),
    "owned": (lambda: message(Access(create=owned("nope"))), [("/message/access/create/owned/nope", ATTRIBUTES, "nope")]),
    "owned by a number": (lambda: message(readable=owned("rank")), [("/message/text/readable/owned/rank", "string, uuid", "integer")]),
    "member": (lambda: message(member("tenent", "tenant")), [("/message/access/member/tenent", ATTRIBUTES, "tenent")]),
    "linked": (lambda: message(Access(read=linked("nope", everyone))), [("/message/access/read/linked/nope", "one of author", "nope")]),
    "of an attribute": (lambda: message(readable=owned("nope")), [("/message/text/readable/owned/nope", ATTRIBUTES, "nope")]),
    "within others": (
        lambda: message(Access(read=scope("a") | (authenticated & ~owned("nope")), update=member("a", "b") | linked("c", everyone))),
        [
            ("/message/access/read/any/1/all/1/not/owned/nope", ATTRIBUTES, "nope"),
            ("/message/access/update/any/0/member/a", ATTRIBUTES, "a"),
            ("/message/access/update/any/1/linked/c", "one of author", "c"),
        ],
    ),
}  # fmt: skip
AT_START: dict[str, tuple[Callable[[], Any], list[tuple[str, str | None, str | None]]]] = {
    "unknown attribute": (
        lambda: message(Access(read=where(publishd=True))),
        [("/message/access/read/where/publishd", ATTRIBUTES, "publishd")],
    ),
    "unknown operator": (
        lambda: message(where(rank__above=1)),
        [("/message/access/where/rank/above", "one of eq, ne, lt, le, gt, ge, oneof, null", "above")],
    ),
    "value of a wrong type": (lambda: message(where(rank="high")), [("/message/access/where/rank/eq", "int", "str")]),
    "text where a number is compared": (lambda: message(readable=where(rank__ge="x")), [("/message/text/readable/where/rank/ge", "int", "str")]),
    "behind a link": (
        lambda: message(Access(update=linked("author", owned("nope")))),
        [("/message/access/update/linked/author/owned/nope", "one of id, name, age, team_id", "nope")],
    ),
    "an owner behind a link that is a number": (
        lambda: message(linked("author", owned("age"))),
        [("/message/access/linked/author/owned/age", "string, uuid", "integer")],
    ),
    "a filter behind two links": (
        lambda: message(linked("author", linked("team", where(boss="ann") | owned("boss")))),
        [
            ("/message/access/linked/author/linked/team/any/0/where/boss", "one of id, chief", "boss"),
            ("/message/access/linked/author/linked/team/any/1/owned/boss", "one of id, chief", "boss"),
        ],
    ),
    "a link behind a link": (
        lambda: message(linked("author", linked("nope", everyone))),
        [("/message/access/linked/author/linked/nope", "one of team", "nope")],
    ),
    "a filter through a link": (
        lambda: message(where(Author.age > 3) | where(**{"author.nope": 1})),
        [
            ("/message/access/any/0/where/age", ATTRIBUTES, "age"),
            ("/message/access/any/1/where/author/nope", "one of id, name, age, team_id", "nope"),
        ],
    ),
    "several in one filter": (
        lambda: message(where(publishd=True, rank="x", text="a")),
        [
            ("/message/access/where/and/0/publishd", ATTRIBUTES, "publishd"),
            ("/message/access/where/and/1/rank/eq", "int", "str"),
        ],
    ),
}  # fmt: skip


def faults_of(error: InvalidDeclaration) -> list[tuple[str, str | None, str | None]]:
    return [(fault.path, fault.expected, fault.found) for fault in error.faults]


@pytest.mark.parametrize("name", AT_DECLARATION)
def test_mistakes_that_the_item_alone_shows_are_rejected_by_stored(name: str) -> None:
    declare, expected = AT_DECLARATION[name]
    with pytest.raises(InvalidDeclaration) as refused:
        declare()
    assert faults_of(refused.value) == expected


@pytest.mark.parametrize("name", AT_START)
def test_mistakes_that_need_a_query_or_another_item_are_rejected_by_the_app(name: str) -> None:
    declare, expected = AT_START[name]
    item = declare()
    with pytest.raises(InvalidDeclaration) as refused:
        App("shop", items=[item, Author, Team], url="memory://")
    assert faults_of(refused.value) == expected


def test_an_app_reports_the_mistakes_of_all_its_items_on_a_line_each() -> None:
    @stored(access=where(nope=1))
    class Other:
        id: UUID

    with pytest.raises(InvalidDeclaration) as refused:
        App("shop", items=[message(where(rank="x")), Other, Author, Team], url="memory://")
    assert str(refused.value).splitlines()[1:] == [
        "  /message/access/where/rank/eq: Expected int, got str",
        "  /other/access/where/nope: Unknown attribute (expected one of id, found nope)",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        where(rank__oneof=[1, None], text__null=True) & member("text", "name"),
        where(Text("words")),
        where(rank=None),
        linked("author", owned("id") | linked("team", where(chief="ann"))),
        custom(lambda caller: False),
        where(**{"author.team.chief": "ann"}),
    ],
    ids=str,
)
def test_rules_without_a_mistake_are_accepted(rule: Any) -> None:
    item = message(rule)
    assert App("shop", items=[item, Author, Team], url="memory://").metas["message"] is meta_of(item)


@pytest.mark.parametrize("make", [lambda: owned(5), lambda: member(None, "x"), lambda: linked(5, everyone)])  # type: ignore[arg-type]
def test_a_rule_accepts_only_attributes_and_links(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        make()
    assert refused.value.faults[0].expected


@pytest.mark.parametrize("other", [True, "admin", None, public])
def test_a_rule_combines_with_rules_only(other: Any) -> None:
    with pytest.raises(TypeError):
        owned("a") | other
    with pytest.raises(TypeError):
        owned("a") & other


def test_a_rule_through_too_many_links_is_rejected() -> None:
    def chain(links: int) -> type[Any]:
        rule: Any = everyone
        for _ in range(links):
            rule = linked("parent", rule)

        @stored(access=Access(read=rule))
        class Branch:
            id: str
            parent_id: str | None = None
            parent: BelongsTo["Branch"] = link(by="parent_id")  # noqa: UP037

        return Branch

    App("tree", items=[chain(5)], url="memory://")
    with pytest.raises(InvalidDeclaration) as refused:
        App("tree", items=[chain(6)], url="memory://")
    assert [(one.path, one.found) for one in refused.value.faults][:1] == [("/branch/access/read", "6")]
