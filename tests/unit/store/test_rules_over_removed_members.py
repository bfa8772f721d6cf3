"""An access rule that compares an attribute is met by no item whose stored value the declaration has removed, on every engine, verb and surface."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, Literal

import msgspec
import pytest

from persisty import (
    Access,
    App,
    Attr,
    BelongsTo,
    Caller,
    Delete,
    Forbidden,
    HasCount,
    HasMany,
    UnreadableItem,
    Update,
    custom,
    everyone,
    link,
    linked,
    owned,
    public,
    stored,
    where,
)
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.model.rules import Rule

STAGES = count()
ANN = Caller("ann")


class Before(enum.Enum):
    RED = "red"
    BLUE = "blue"
    PURPLE = "purple"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@stored(name="team", access=public)
class OldTeam:
    id: Attr[str]


@stored(name="doc", access=public)
class OldDoc:
    id: Attr[str]
    team_id: Attr[str]
    color: Attr[Before]
    level: Attr[Literal["low", "high", "top"] | None]
    owner: Attr[str]
    secret: Attr[str] = Attr(default="S3CRET")


def declared(rule: Rule, readable: Rule | bool = True) -> tuple[type[Any], type[Any]]:
    """Return the declarations of a team and of its documents, with this rule."""

    @stored(access=public)
    class Team:
        id: Attr[str]
        docs: HasMany[Doc] = link()
        doc_count: HasCount[Doc] = link()

    @stored(name="doc", access=Access(read=rule, create=everyone, update=rule, delete=rule))
    class Doc:
        id: Attr[str]
        team_id: Attr[str]
        color: Attr[Color]
        level: Attr[Literal["low", "high"] | None]
        secret: Attr[str] = Attr(default="S3CRET", readable=readable)
        owner: Attr[str]
        team: BelongsTo[Team] = link(by="team_id")

    return Team, Doc


NEVER: dict[str, Callable[[], Rule]] = {
    "where ne": lambda: where(color__ne="blue"),
    "custom ne": lambda: custom(lambda _: _doc().color != Color.BLUE),
    "not eq": lambda: ~where(color="blue"),
    "not oneof": lambda: custom(lambda _: ~_doc().color.oneof([Color.BLUE])),
    "not null": lambda: custom(lambda _: _doc().color.is_null(False)),
    "optional ne": lambda: where(level__ne="low"),
    "optional not oneof": lambda: custom(lambda _: ~_doc().level.oneof(["low", "high"])),
    "optional null": lambda: custom(lambda _: _doc().level.is_null()),
    "contains": lambda: custom(lambda _: _doc().level.contains("o")),
    "not contains": lambda: custom(lambda _: ~_doc().level.contains("x")),
    "not through": lambda: ~linked("team", where(id="other")) & where(color__ne="blue"),
}
"""Rules that no item with undeclared values meets."""


def _doc() -> Any:
    return declared(everyone)[1]


def moved(url: str, *items: type[Any]) -> App:
    """Return an app whose stored documents a and b have removed members, while c fits and d does too, but is blue."""
    stage = f"r{next(STAGES)}"
    before = App("docs", items=[OldTeam, OldDoc], url=url, stage=stage, idempotency=None)
    before.prepare()
    before.store(OldTeam).create(OldTeam(id="t"))
    rows = (("a", "purple", "top"), ("b", "purple", "top"), ("c", "red", "high"), ("d", "blue", "low"))
    for key, color, level in rows:
        before.store(OldDoc).create({"id": key, "team_id": "t", "color": color, "level": level, "owner": "ann"})
    if url == "memory://":
        known = {"team", "doc"}
        before.revise(
            replace=[one for one in items if one.__name__.lower() in known],
            add=[one for one in items if one.__name__.lower() not in known],
        )
        before.prepare()
        return before
    before.close()
    after = App("docs", items=items, url=url, stage=stage, idempotency=None)
    after.prepare()
    return after


@pytest.fixture
def app_of(engine_url: str) -> Iterator[Callable[..., App]]:
    opened: list[App] = []

    def made(rule: Rule, readable: Rule | bool = True) -> App:
        opened.append(moved(engine_url, *declared(rule, readable)))
        return opened[-1]

    yield made
    for one in opened:
        one.close()


def rest(app: App, method: str, path: str, query: str = "", body: Any = None) -> tuple[int, Any]:
    given = b"" if body is None else msgspec.json.encode(body)
    headers = {} if body is None else {"content-type": "application/json"}
    response = Rest(app).handle(Request(method, f"/api/{path}", query, headers, given))
    return response.status, msgspec.json.decode(response.body) if response.body else None


def graphql(app: App, text: str) -> Any:
    headers = {"content-type": "application/json"}
    request = Request("POST", "/graphql", "", headers, msgspec.json.encode({"query": text}))
    return msgspec.json.decode(GraphqlEndpoint(app).handle(request).body)


def owners(app: App) -> dict[str, str]:
    return {one["id"]: one["owner"] for one in app.store("doc").select(["id", "owner"])}


@pytest.mark.parametrize("name", NEVER)
def test_no_item_with_a_removed_member_exists_for_a_caller_and_nothing_is_written(app_of: Any, name: str) -> None:
    app = app_of(NEVER[name]())
    docs = app.store("doc").on_behalf_of(ANN)
    seen = {one["id"] for one in docs.select(["id"])}
    assert seen <= {"c", "d"}
    assert {one.id for one in docs.search()} == seen
    assert docs.search().errors == ()
    assert docs.count() == len(seen) == sum(docs.count_by("owner").values())
    assert docs.read("a") is None
    assert docs.read_batch(["a", "b"]) == [None, None]
    assert docs.update("a", {"owner": "eve"}) is None
    with suppress(Forbidden):  # of the rules that no declared value meets
        assert docs.update("a", {"color": Color.RED, "level": "high", "owner": "eve"}) is None
    assert not docs.delete("a")
    edits = [Update("a", {"owner": "eve"}), Delete("b")]
    assert {one.error.code for one in docs.edit_batch(edits) if one.error} == {"not_found"}
    assert len([one for one in docs.edit_batch(edits, atomic=True) if one.error]) == 2
    assert docs.update_all({"owner": "eve"}).changed == len(seen)
    assert docs.delete_all().changed <= len(seen)
    left = owners(app)
    assert (left["a"], left["b"]) == ("ann", "ann")


def test_rest_and_graphql_neither_show_nor_change_such_items(app_of: Any) -> None:
    app = app_of(where(color__ne="blue"))
    assert rest(app, "GET", "doc", "fields=id,secret")[1]["items"] == [{"id": "c", "secret": "S3CRET"}]
    assert rest(app, "GET", "doc", "fields=id&query=S3CRET")[1]["items"] == [{"id": "c"}]
    assert rest(app, "GET", "doc-count")[1] == {"count": 1}
    for change in ({"owner": "eve"}, {"owner": "eve", "color": "red"}):
        assert rest(app, "PATCH", "doc/a", body=change)[0] == 404
    for atomic in (False, True):
        edits = [{"update": {"key": "a", "changes": {"owner": "eve"}}}]
        rest(app, "POST", "doc-batch", body={"atomic": atomic, "edits": edits})
    assert graphql(app, 'mutation{docUpdate(key:"a",changes:{owner:"eve"}){id}}')["data"] == {"docUpdate": None}
    assert graphql(app, 'mutation{docDelete(key:"a")}')["data"] == {"docDelete": False}
    assert rest(app, "DELETE", "doc/b")[0] == 404
    [team] = rest(app, "GET", "team", "fields=id,doc_count,docs.id")[1]["items"]
    assert (team["doc_count"], team["docs"]["items"]) == (1, [{"id": "c"}])
    text = "{teamSearch{items{docCount:doc_count docs{items{id secret}}}}}"
    [team] = graphql(app, text)["data"]["teamSearch"]["items"]
    assert team == {"docCount": 1, "docs": {"items": [{"id": "c", "secret": "S3CRET"}]}}
    app.store("doc").delete("c")
    assert rest(app, "GET", "team", "docs.secret=S3CRET")[1]["items"] == []
    assert owners(app) == {"a": "ann", "b": "ann", "d": "ann"}


@pytest.mark.parametrize("name", ["where ne", "optional ne", "contains", "not eq"])
def test_a_rule_of_an_attribute_hides_it_on_such_items(app_of: Any, name: str) -> None:
    app = app_of(everyone, NEVER[name]())
    docs = app.store("doc").on_behalf_of(ANN)
    shown = {one["id"]: one.get("secret") for one in docs.select(["id", "secret"])}
    assert {key for key, secret in shown.items() if isinstance(secret, str)} <= {"c", "d"}
    found = [one["id"] for one in docs.select(["id"], app.store("doc").meta.item.secret == "S3CRET")]
    assert set(found) <= {"c", "d"}


def test_a_part_of_a_rule_that_does_not_compare_the_value_decides_alone(app_of: Any) -> None:
    app = app_of(where(color__ne="blue") | owned("owner"))
    ann, eve = app.store("doc").on_behalf_of(ANN), app.store("doc").on_behalf_of(Caller("eve"))
    assert (ann.count(), eve.count()) == (4, 1)
    assert sorted(one.details["key"] for one in ann.search().errors) == ["a", "b"]
    with pytest.raises(UnreadableItem):
        ann.read("a")
    with pytest.raises(UnreadableItem) as raised:
        ann.update("a", {"secret": "other"})
    assert raised.value.details["written"]
    assert ann.update("a", {"color": Color.RED, "level": "low"}).color is Color.RED
    assert (eve.read("b"), eve.update("b", {"secret": "x"}), eve.delete("b")) == (None, None, False)


@stored(name="page", access=Access(read=~linked("doc", where(color__ne="blue")), update=everyone))
class Page:
    id: Attr[str]
    doc_id: Attr[str]
    doc: BelongsTo[Doc] = link(by="doc_id")  # type: ignore[name-defined]  # noqa: F821


def test_the_negation_of_a_rule_through_a_link_is_not_met_by_a_removed_member_behind_it(engine_url: str) -> None:
    app = moved(engine_url, *declared(everyone), Page)
    pages = app.store(Page)
    for key in "abcd":
        pages.create({"id": key, "doc_id": key})
    ann = pages.on_behalf_of(ANN)
    assert [one.id for one in ann.search()] == ["d"]
    assert [one is None for one in ann.read_batch(list("abcd"))] == [True, True, True, False]
    app.close()
