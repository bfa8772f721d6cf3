"""Lists and objects in items as GraphQL types, hosted and through AppSync: their types, and values in both directions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from persisty import ANONYMOUS, App, Attr, Caller, authenticated, everyone, public, stored
from persisty.api.actions import operations
from persisty.api.graphql.appsync.change_publisher import document, published
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.document_limits import Limits
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.hosted.schema import GraphqlSchema
from persisty.api.graphql.sdl import sdl
from persisty.api.graphql.subscriptions import subscriptions
from persisty.api.http.messages import Request
from persisty.deploy.appsync_auth import API_KEY, IAM, LAMBDA, AuthMode, directives, with_publishers
from persisty.errors import InvalidDeclaration
from persisty.model.meta import meta_of
from persisty.store.change_feed import Change

from .asking import Hosted, StandIn
from .machines import (
    ANSWERED,
    APP,
    BARE_PART,
    CREATE,
    FULL,
    PART,
    READ,
    TYPES,
    UPDATE,
    Address,
    Colour,
    Machine,
    Maker,
    Part,
    Size,
)


@pytest.fixture(params=["memory://", "sqlite:///{path}"], ids=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[App]:
    APP.use(request.param.format(path=tmp_path / "machines.db"))
    APP.prepare()
    yield APP
    APP.close()


ENDPOINT, FUNCTION = GraphqlEndpoint(APP), AppSync(APP)
STAND_IN = StandIn(FUNCTION, APP)


@pytest.fixture(params=["hosted", "appsync"])
def ask(request: pytest.FixtureRequest, app: App) -> Any:
    return Hosted(ENDPOINT) if request.param == "hosted" else STAND_IN


def data(ask: Any, text: str, **variables: Any) -> Any:
    answer = ask(text, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def without_typenames(answer: Any) -> Any:
    """Return the response with decoded AWSJSON, whose spaces differ on AppSync."""
    if isinstance(answer, dict):
        return {name: without_typenames(one) for name, one in answer.items()}
    if isinstance(answer, list):
        return [without_typenames(one) for one in answer]
    return json.loads(answer) if isinstance(answer, str) and answer[:1] in ("{", "[") else answer


def test_lists_and_objects_have_types_and_other_values_are_json() -> None:
    schema = GraphqlSchema(APP).whole
    item, create = schema.type_map["Machine"], schema.type_map["MachineCreate"]
    update = schema.type_map["MachineUpdate"]
    assert isinstance(item, GraphQLObjectType)
    assert isinstance(create, GraphQLInputObjectType)
    assert isinstance(update, GraphQLInputObjectType)
    assert {name: str(item.fields[name].type) for name in TYPES} == TYPES
    given = {name: str(create.fields[name].type) for name in ("parts", "main", "card", "grid", "boxed", "point")}
    assert given == {
        "parts": "[PartInput!]", "main": "PartInput", "card": "CardInput", "grid": "[[Float!]!]",
        "boxed": "AddressBoxedInput", "point": "AWSJSON",
    }  # fmt: skip
    appended = {name: str(one.type) for name, one in update.fields.items() if name.endswith("_append")}
    assert appended == {"parts_append": "[PartInput!]", "grid_append": "[[Float!]!]"}


def test_the_types_have_the_fields_of_the_classes() -> None:
    text = sdl(operations(APP).values())
    assert (
        '"""How large a part is."""\ntype Size {\n  """In millimetres"""\n  width: String!\n  serial: String!\n  count: Float\n}'
        in text
    )
    assert '"""The colours of parts."""\nenum Colour {\n  red\n  blue\n}' in text
    assert "type Card {\n  pages: Int\n  title: String!\n}" in text
    assert "input CardInput {\n  pages: Int\n  title: String!\n}" in text
    assert "builtAt: AWSDateTime" in text
    assert "labels: [String]!" in text
    assert "Node" not in text
    assert "Dashed" not in text


def test_values_of_every_type_come_back_as_they_were_given(ask: Any, app: App) -> None:
    assert without_typenames(data(ask, CREATE, item=FULL)["machineCreate"]) == without_typenames(ANSWERED)
    assert without_typenames(data(ask, READ, key="full")["machineRead"]) == without_typenames(ANSWERED)
    item = app.store(Machine).read("full")
    assert item is not None
    assert item.main == Part(
        "pump", Size(Decimal("1.5"), 2**62, 3), Colour.BLUE, datetime(2030, 1, 1, tzinfo=UTC), ["a", None],
        {"deep": {"er": [1]}}, 7,
    )  # fmt: skip
    assert (item.card, item.names, item.spans) == ({"title": "T", "pages": 9}, frozenset({"only"}), (2**62, 0))
    assert item.parts[1] == Part("valve")


def test_null_and_absence_mean_the_default(ask: Any, app: App) -> None:
    given = {"id": "a", "parts": [{"name": "p", "colour": None, "grade": None, "labels": None}], "card": {"title": "T"}}
    data(ask, CREATE, item=given)
    item = app.store(Machine).read("a")
    assert item is not None
    assert (item.parts, item.card) == ([Part("p")], {"title": "T"})
    found = data(ask, READ, key="a")["machineRead"]
    assert (found["card"], found["main"], found["grid"]) == ({"title": "T", "pages": None}, None, None)


def test_an_update_replaces_appends_and_removes(ask: Any, app: App) -> None:
    data(ask, CREATE, item={"id": "a", "parts": [{"name": "one"}], "main": {"name": "m"}})
    changes = {"parts_append": [{"name": "two", "size": {"width": "2"}}], "main": None, "names": ["n"]}
    assert data(ask, UPDATE, key="a", changes=changes)["machineUpdate"] == {
        "few": None, "names": ["n"], "parts": [{"name": "one"}, {"name": "two"}], "main": None,
    }  # fmt: skip
    changed = data(ask, UPDATE, key="a", changes={"parts": [{"name": "three"}], "parts_append": None})["machineUpdate"]
    assert changed["parts"] == [{"name": "three"}]
    batch = "mutation ($e: [MachineEdit!]!) { machineEditBatch(edits: $e) { code item { parts { name } } } }"
    [done] = data(ask, batch, e=[{"update": {"key": "a", "changes": {"parts_append": [{"name": "four"}]}}}])[
        "machineEditBatch"
    ]
    assert done == {"code": "ok", "item": {"parts": [{"name": "three"}, {"name": "four"}]}}


def faults_of(ask: Any, text: str, **variables: Any) -> list[tuple[str, str]]:
    error = ask(text, **variables)["errors"][0]["extensions"]
    info = error.get("errorInfo", error)
    return [(fault["path"], fault["message"]) for fault in info["faults"]]


def test_faults_name_the_place_within_the_value(ask: Any) -> None:
    data(ask, CREATE, item={"id": "a"})
    wrong = {"name": "p", "size": {"width": "far"}}
    expected = "Invalid decimal string"
    assert faults_of(ask, CREATE, item={"id": "b", "parts": [{"name": "o"}, wrong]}) == [
        ("/item/parts/1/size/width", expected)
    ]
    assert faults_of(ask, UPDATE, key="a", changes={"main": wrong}) == [("/changes/main/size/width", expected)]
    assert faults_of(ask, UPDATE, key="a", changes={"parts_append": [wrong]}) == [
        ("/changes/parts_append/0/size/width", expected)
    ]
    conflicting = {"parts": [], "parts_append": [{"name": "x"}]}
    assert faults_of(ask, UPDATE, key="a", changes=conflicting) == [
        ("/changes/parts_append", "Not together with parts")
    ]
    batch = "mutation ($e: [MachineEdit!]!) { machineEditBatch(edits: $e) { code } }"
    for changes, path in (({"parts_append": [wrong]}, "/parts_append/0/size/width"), (conflicting, "/parts_append")):
        [(found, _)] = faults_of(ask, batch, e=[{"update": {"key": "a", "changes": changes}}])
        assert found == f"/edits/0/update/changes{path}"


def test_a_value_of_another_shape_is_rejected_before_execution(app: App) -> None:
    hosted = Hosted(ENDPOINT)
    for changes, path in (
        ({"main": {"colour": "red"}}, "/changes/main/name"),
        ({"main": {"name": "a", "coulour": "red"}}, "/changes/main/coulour"),
        ({"parts": [{"name": "a"}, None]}, "/changes/parts/1"),
        ({"main": {"name": "a", "colour": "green"}}, "/changes/main/colour"),
        ({"main": '{"name":"a"}'}, "/changes/main"),
    ):
        error = hosted.error(UPDATE, key="a", changes=changes)
        assert (error["code"], [fault["path"] for fault in error["faults"]]) == ("invalid_input", [path])


def test_selections_have_aliases_and_fragments_at_every_level(ask: Any) -> None:
    data(ask, CREATE, item=FULL)
    query = """{ machineRead(key: "full") { p: parts { n: name ...Sized } ...Main other: address { town: city } } }
        fragment Sized on Part { size { ...Wide } }
        fragment Wide on Size { w: width }
        fragment Main on Machine { m: main { s: size { c: count } colour } boxed { inside { ...Town } } }
        fragment Town on Address { city }"""
    assert data(ask, query)["machineRead"] == {
        "p": [{"n": "pump", "size": {"w": "1.5"}}, {"n": "valve", "size": None}],
        "m": {"s": {"c": 3}, "colour": "blue"},
        "boxed": {"inside": {"city": "Rome"}},
        "other": {"town": "Rome"},
    }


def test_an_integer_that_graphql_cannot_represent_is_an_error_of_only_its_field(ask: Any, app: App) -> None:
    app.store(Machine).create(Machine(id="a", grid=[[1, 2**60]], main=Part("m", Size(Decimal(1), 1, 2**60))))
    answer = ask('{ machineRead(key: "a") { id grid main { name size { count serial } } } }')
    found = answer["data"]["machineRead"]
    assert (found["id"], found["main"]["name"], found["main"]["size"]["serial"]) == ("a", "m", "1")
    assert (found["grid"], found["main"]["size"]["count"]) == ([[1, None]], None)
    assert len(answer["errors"]) == 2


def test_a_datetime_without_an_offset_is_utc(ask: Any, app: App) -> None:
    app.store(Machine).create(Machine(id="a", main=Part("m", built_at=datetime(2030, 1, 1, 12))))
    assert data(ask, '{ machineRead(key: "a") { main { builtAt } } }')["machineRead"]["main"] == {
        "builtAt": "2030-01-01T12:00:00Z"
    }


def test_the_function_returns_all_fields_for_an_event_without_a_selection(app: App) -> None:
    data(STAND_IN, CREATE, item=FULL)
    found = FUNCTION.handle({"fieldName": "machineRead", "arguments": {"key": "full"}})["data"]
    assert found["parts"][1] == {"name": "valve", **BARE_PART, "notes": {}}
    assert (found["spans"], found["card"], found["point"]) == ([str(2**62), "0"], {"title": "T", "pages": 9}, [1, 2])


def test_an_event_of_a_subscription_has_the_whole_objects() -> None:
    [created, *_] = subscriptions([meta_of(Machine)])
    text = document(created)
    assert f"parts {PART} main {PART} card {{ pages title }} grid spans names address {{ city zip }}" in text
    assert published(Machine(id="a", parts=[Part("p")]))["parts"] == [{"name": "p", **BARE_PART, "notes": {}}]


def test_two_classes_with_the_same_name_stop_the_start_with_a_hint() -> None:
    def item(name: str, fields: dict[str, Any]) -> Any:
        kind = type("Spot", (Struct,), {"__annotations__": fields, "__module__": __name__})
        return stored(access=public)(
            type(name, (), {"__annotations__": {"id": str, "spot": kind}, "__module__": __name__})
        )

    same = App("same", items=[item("First", {"x": int}), item("Second", {"x": int})], url="memory://")
    assert "type Spot" in sdl(operations(same).values())
    with pytest.raises(InvalidDeclaration, match="Spot"):
        GraphqlSchema(App("other", items=[item("First", {"x": int}), item("Second", {"y": int})], url="memory://"))


def test_an_action_and_an_item_share_the_type_of_a_class() -> None:
    @action(access_control=everyone, triggers=WEB_POST)
    def moved(to: Address) -> Address:
        return to

    app = App("movers", items=[Machine, Maker], actions=[moved], url="memory://")
    text = sdl(operations(app).values())
    assert text.count("type Address {") == text.count("input AddressInput {") == 1


def test_the_complexity_counts_the_selected_fields_of_lists_and_objects() -> None:
    APP.use("memory://")
    text, most = (
        "{ machineSearch(limit: 3) { items { few main { name } parts { size { width } } } } }",
        2 + 3 * (1 + 2 + 2 + 4),
    )
    assert "data" in GraphqlEndpoint(APP, limits=Limits(complexity=most)).schema.execute(text)
    short = GraphqlEndpoint(APP, limits=Limits(complexity=most - 1)).schema.execute(text)
    assert short["errors"][0]["extensions"]["found"] == most


def test_a_persisted_document_selects_nested_fields(app: App) -> None:
    data(STAND_IN, CREATE, item=FULL)
    text = '{ machineRead(key: "full") { address { city } names } }'
    body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}}
    headers = {"content-type": "application/json"}
    for given in (body | {"query": text}, body):
        found = ENDPOINT.handle(Request("POST", "/graphql", headers=headers, body=json.dumps(given).encode()))
        assert json.loads(found.body)["data"]["machineRead"] == {"address": {"city": "Rome"}, "names": ["only"]}


def test_a_subscriber_of_the_server_receives_nested_fields(app: App) -> None:
    begun: list[Any] = []
    query = 'subscription { machineCreated(where: {address: {city: {eq: "Rome"}}}) { names p: parts { n: name } address { city } } }'
    headers = {"content-type": "application/json"}
    request = Request("POST", "/graphql", headers=headers, body=json.dumps({"query": query}).encode())
    ENDPOINT.handle_live(request, begun.append)
    [live] = begun
    item = Machine(id="a", parts=[Part("x")], names=frozenset({"n"}), address=Address("Rome"))
    event = json.loads(live.event(Change("machine", "created", "a", None, item), ANONYMOUS))
    assert event["data"]["machineCreated"] == {"names": ["n"], "p": [{"n": "x"}], "address": {"city": "Rome"}}
    other = Machine(id="b", address=Address("Paris"))
    assert live.event(Change("machine", "created", "b", None, other), ANONYMOUS) is None


# the rest has items of its own


class Old(Struct):
    title: str


class New(Struct):
    title: str
    pages: int


@stored(name="book")
class OldBook:
    id: str
    chapters: list[Old]


@stored(access=public)
class Book:
    id: str
    chapters: list[New]


@pytest.mark.parametrize("host", ["hosted", "appsync"])
def test_an_item_stored_without_a_new_nested_field_is_an_error_and_the_others_are_returned(
    host: str, tmp_path: Any
) -> None:
    url = f"sqlite:///{tmp_path}/books.db"
    before = App("books", items=[OldBook], url=url)
    before.store(OldBook).create(OldBook(id="old", chapters=[Old("a")]))
    before.store(OldBook).create(OldBook(id="none", chapters=[]))
    before.close()
    app = App("books", items=[Book], url=url)
    ask: Any = Hosted(GraphqlEndpoint(app)) if host == "hosted" else StandIn(AppSync(app), app)
    answer = ask("{ bookSearch(order: [id_asc]) { items { id chapters { title pages } } } }")
    app.close()
    assert answer["data"]["bookSearch"]["items"] == [{"id": "none", "chapters": []}]
    [error] = answer["errors"]
    info = error["extensions"].get("errorInfo", error["extensions"])
    assert (info["key"], info["attributes"]) == ("old", ["chapters"])
    assert "/chapters/0/pages" in error["message"]


@stored(access=public)
class Diary:
    id: str
    pages: list[str] = Attr(factory=list, readable=authenticated)
    cover: Address | None = Attr(default=None, readable=authenticated)
    lock: list[str] = Attr(factory=list, readable=False)


@pytest.mark.parametrize("host", ["hosted", "appsync"])
def test_hidden_lists_and_objects_are_null_and_unreadable_ones_are_absent(host: str) -> None:
    app = App("diaries", items=[Diary], url="memory://")
    app.store(Diary).create(Diary(id="a", pages=["x"], cover=Address("Rome"), lock=["y"]))
    ask: Any = Hosted(GraphqlEndpoint(app)) if host == "hosted" else StandIn(AppSync(app), app)
    query = '{ diaryRead(key: "a") { id pages cover { city } } }'
    assert data(ask, query)["diaryRead"] == {"id": "a", "pages": None, "cover": None}
    ask.caller = Caller("ann")
    assert data(ask, query)["diaryRead"] == {"id": "a", "pages": ["x"], "cover": {"city": "Rome"}}
    text = sdl(operations(app).values())
    assert "pages: [String!]\n" in text
    assert "lock: [String!]\n" in text[text.index("input DiaryCreate") : text.index("input DiaryEdit ")]
    assert "lock" not in text[text.index("type Diary {") : text.index("type Diary {") + 120]


def test_the_types_within_an_event_may_be_read_by_the_publisher() -> None:
    offered = tuple(operations(APP).values())
    modes = (AuthMode(LAMBDA), AuthMode(API_KEY), AuthMode(IAM))
    found = with_publishers(directives(modes, offered), modes, subscriptions(APP.metas.values()))
    for name in ("Machine", "Part", "Size", "Address", "AddressBoxed", "Card"):
        assert found.types[name].count("@aws_iam") >= 1, name
