"""Fields of nested objects that are left out have their defaults: in every response, in the stored value, and in filters over JSON that lacks them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from persisty import App, Attr, Store, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest

JSON = {"content-type": "application/json"}


@dataclass
class Unit:
    name: str = "mg"


@dataclass(frozen=True)
class Dose:
    drug: str
    per_day: int = 1
    note: str | None = None
    tags: list[str] = field(default_factory=list)
    unit: Unit = field(default_factory=Unit)


@dataclass(slots=True)
class Slotted:
    drug: str
    per_day: int = 1


@stored(access=public)
class Visit:
    id: Attr[str]
    dose: Attr[Dose]
    others: Attr[list[Dose]] = Attr(factory=list)
    named: Attr[dict[str, Dose | None]] = Attr(factory=dict)
    slotted: Attr[Slotted | None] = Attr(default=None)


@action(access_control=everyone, triggers=WEB_POST)
def same(dose: Dose) -> Dose:
    return dose


WHOLE: dict[str, Any] = {"drug": "x", "per_day": 1, "note": None, "tags": [], "unit": {"name": "mg"}}
GIVEN: dict[str, Any] = {
    "id": "1", "dose": {"drug": "x", "unit": {}}, "others": [{"drug": "x"}], "named": {"a": {"drug": "x"}, "b": None}, "slotted": {"drug": "x"},
}  # fmt: skip
ITEM = {
    "id": "1", "dose": WHOLE, "others": [WHOLE], "named": {"a": WHOLE, "b": None}, "slotted": {"drug": "x", "per_day": 1},
}  # fmt: skip
URLS = ("memory://", "sqlite:///{path}/visits.db", "{postgres}", "dynamodb://us-east-1?endpoint={dynamodb}")


@pytest.fixture(params=URLS, ids=("memory", "sqlite", "postgresql", "dynamodb"))
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    url: str = request.param
    known: dict[str, Any] = {"path": tmp_path}
    for name, fixture in (("postgres", "postgres_url"), ("dynamodb", "local_endpoint")):
        if f"{{{name}}}" in url:
            known[name] = request.getfixturevalue(fixture)
    app = App("nested-defaults", items=[Visit], actions=[same], url=url.format(**known))
    app.prepare()
    yield app
    app.close()


def rest(app: App, method: str, path: str, body: Any = None) -> Response:
    return Rest(app).handle(Request(method, path, "", JSON, b"" if body is None else json.dumps(body).encode()))


def test_every_response_has_the_defaults(app: App) -> None:
    assert json.loads(rest(app, "POST", "/api/visit", GIVEN).body) == ITEM
    try:
        assert json.loads(rest(app, "GET", "/api/visit/1").body) == ITEM
        assert json.loads(rest(app, "GET", "/api/visit").body)["items"] == [ITEM]
        changed = rest(app, "PATCH", "/api/visit/1", {"dose": {"drug": "y"}, "others": {"append": [{"drug": "z"}]}})
        item = json.loads(changed.body)
        assert item["dose"] == {**WHOLE, "drug": "y"}
        assert item["others"] == [WHOLE, {**WHOLE, "drug": "z"}]
        assert json.loads(rest(app, "GET", "/api/visit/1").body) == item
    finally:
        rest(app, "DELETE", "/api/visit/1")


def test_an_action_returns_the_defaults_of_its_argument() -> None:
    with closing(App("nested-defaults", items=[Visit], actions=[same], url="memory://")) as app:
        assert json.loads(rest(app, "POST", "/actions/same", {"dose": {"drug": "x"}}).body) == WHOLE
        query = json.dumps({"query": 'mutation {same(dose: {drug: "x"}) {drug per_day note tags}}'}).encode()
        found = json.loads(GraphqlEndpoint(app).handle(Request("POST", "/graphql", "", JSON, query)).body)
        assert found.get("data", found) == {"same": {name: WHOLE[name] for name in ("drug", "per_day", "note", "tags")}}


def test_a_value_that_was_stored_without_a_field_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "visits.db"
    with closing(App("nested-defaults", items=[Visit], url=f"sqlite:///{path}")) as app:
        app.prepare()
        rest(app, "POST", "/api/visit", GIVEN)
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE visit SET dose = '{"drug":"x"}'""")
    connection.close()
    with closing(App("nested-defaults", items=[Visit], url=f"sqlite:///{path}")) as app:
        assert json.loads(rest(app, "GET", "/api/visit/1").body)["dose"] == WHOLE


class Omitting(Struct, omit_defaults=True):
    """Its JSON lacks each field that has its default."""

    city: str
    floor: int = 0
    share: Decimal = Decimal("1.50")
    since: datetime = datetime(2020, 1, 2, tzinfo=UTC)
    note: str | None = "it's 5%: ok"
    sign: bytes = b"ab"


@dataclass
class Inner:
    width: int = 3
    name: str = "mg"


@dataclass
class Outer:
    code: str
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None
    spare: Inner = field(default_factory=lambda: Inner(9, "\N{DEGREE SIGN}"))
    label: str = field(default_factory=lambda: "none")


@stored
class Home:
    id: str
    place: Omitting
    kit: Outer


H: Any = Home
HOMES = [
    Home(id="short", place=Omitting("x"), kit=Outer("x")),
    Home(id="full", place=Omitting("x", 5, Decimal(2), datetime(2021, 1, 1, tzinfo=UTC), None, b"c"), kit=Outer("x", Inner(4, "g"), Inner(1), Inner(1), "")),
]  # fmt: skip
NESTED: list[Any] = [
    H.place.floor == 0, H.place.floor != 0, H.place.floor < 1, H.place.floor > 1, ~(H.place.floor == 5), H.place.floor.is_null(), H.place.floor.oneof([0, 7]),
    H.place.share == Decimal("1.5"), H.place.share < 2, H.place.since < datetime(2020, 6, 1, tzinfo=UTC), H.place.note == "it's 5%: ok", H.place.note.is_null(),
    H.place.note.contains("5%"), H.place.note.startswith("it"), H.place.note.icontains("OK"), H.kit.inner.width == 3, H.kit.inner.width > 3,
    H.kit.inner.name == "mg", H.kit.maybe.is_null(), H.kit.maybe.width == 3, H.kit.maybe.width.is_null(), H.kit.maybe.width == 1,
    H.place.sign == b"ab", H.place.sign >= b"b", H.kit.spare.width == 9, H.kit.spare.width.is_null(), H.kit.spare.name == "\N{DEGREE SIGN}",
    H.kit.spare.is_null(), H.kit.label == "none", H.kit.label != "none",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS[1:], ids=("sqlite", "postgresql", "dynamodb"))
def test_filters_match_the_defaults_that_stored_json_lacks(
    url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    known: dict[str, Any] = {"path": tmp_path}
    for name, fixture in (("postgres", "postgres_url"), ("dynamodb", "local_endpoint")):
        if f"{{{name}}}" in url:
            known[name] = request.getfixturevalue(fixture)
    memory = App("homes", items=[Home], url="memory://")
    with closing(App("homes", items=[Home], url=url.format(**known))) as app:
        app.prepare()
        homes = app.store(Home)
        homes.delete_all(allow_scan=True)
        for one in HOMES:
            homes.create(one)
            memory.store(Home).create(one)
        if not url.startswith("dynamodb"):
            for text in ('{"code":"x"}', '{"code":"x","inner":{}}'):
                app.engine._connection.rows(f"UPDATE home SET kit = '{text}' WHERE id = 'short'")  # type: ignore[attr-defined]
                assert homes.read("short") == HOMES[0]
                compare(homes, memory.store(Home))
        compare(homes, memory.store(Home))
        homes.delete_all(allow_scan=True)


def compare(homes: Store[Home], expected: Store[Home]) -> None:
    for where in NESTED:
        keys = [sorted(one.id for one in store.search_all(where, allow_scan=True)) for store in (homes, expected)]
        assert keys[0] == keys[1], where
