"""Integers of 64 bits in GraphQL, hosted and on AppSync: they are read, filtered and written exactly, or rejected. None is rounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from msgspec import Meta

from persisty import SEQUENCE, App, public, stored
from persisty.api.graphql.appsync.change_publisher import published
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.compiler import RANGES, within
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.types import WHOLE

from .asking import Hosted, StandIn

EXACT, MOST = 2**53 - 1, 2**63 - 1


@stored(access=public)
class Reading:
    id: str
    plain: int
    positive: Annotated[int, Meta(ge=0)] | None = None
    whole: Annotated[int, Meta(ge=-(2**63), le=MOST)] | None = None
    exact: Annotated[int, Meta(ge=0, le=EXACT)] | None = None


@stored(access=public)
class Ticket:
    number: int = SEQUENCE
    id: str


@pytest.fixture(params=["memory://", "sqlite://"])
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    found = App("meter", items=[Reading, Ticket], url=request.param)
    found.prepare()
    yield found
    found.close()


@pytest.fixture(params=["hosted", "appsync"])
def ask(request: pytest.FixtureRequest, app: App) -> Hosted | StandIn:
    return Hosted(GraphqlEndpoint(app)) if request.param == "hosted" else StandIn(AppSync(app), app)


def fill(app: App, *values: int) -> None:
    for number, value in enumerate(values):
        app.store(Reading).create(Reading(id=f"r{number}", plain=value, positive=abs(value), whole=value))


def test_an_integer_beyond_32_bits_is_read_and_filtered(app: App, ask: Any) -> None:
    fill(app, 1, 2**31, EXACT, -EXACT)
    query = "query ($w: ReadingWhere) { readingSearch(where: $w, order: [plain_asc]) { items { plain positive } } }"
    found = ask(query)
    assert found["data"]["readingSearch"]["items"] == [
        {"plain": value, "positive": abs(value)} for value in (-EXACT, 1, 2**31, EXACT)
    ]
    found = ask(query, w={"plain": {"ge": 2**31, "oneof": [EXACT, 1]}})
    assert found["data"]["readingSearch"]["items"] == [{"plain": EXACT, "positive": EXACT}]


@pytest.mark.parametrize("value", [2**31, -(2**40), EXACT, -EXACT, 7.0])
def test_an_integer_of_53_bits_is_created_and_changed(app: App, ask: Any, value: float) -> None:
    ask("mutation ($i: ReadingCreate!) { readingCreate(item: $i) { id } }", i={"id": "a", "plain": value})
    assert app.store(Reading).read("a") == Reading(id="a", plain=int(value))
    ask('mutation ($i: ReadingUpdate!) { readingUpdate(key: "a", changes: $i) { id } }', i={"plain": 0})
    assert app.store(Reading).read("a") == Reading(id="a", plain=0)


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**53 + 1, MOST, 0.5, 1e300])
def test_a_number_that_a_float_may_have_rounded_is_rejected(app: App, ask: Any, value: float) -> None:
    found = ask("mutation ($i: ReadingCreate!) { readingCreate(item: $i) { id } }", i={"id": "a", "plain": value})
    [error] = found["errors"]
    if isinstance(ask, Hosted):
        assert error["extensions"]["faults"][0]["path"] == "/item/plain"
    assert app.store(Reading).count() == 0
    found = ask("query ($n: Float) { readingCount(where: {plain: {lt: $n}}) }", n=value)
    assert found["errors"]
    assert (found.get("data") or {}).get("readingCount") is None


def test_an_integer_beyond_53_bits_is_an_error_of_its_field_and_hides_no_other_item(app: App, ask: Any) -> None:
    fill(app, 2**53 + 1, 3)
    found = ask("{ readingSearch(order: [id_asc]) { items { id plain whole } } }")
    assert found["data"]["readingSearch"]["items"] == [
        {"id": "r0", "plain": None, "whole": str(2**53 + 1)},
        {"id": "r1", "plain": 3, "whole": "3"},
    ]
    [error] = found["errors"]
    assert str(2**53 + 1) in error["message"]
    assert "Annotated[int" in error["message"]


def test_an_integer_declared_to_have_64_bits_is_text_and_exact(app: App, ask: Any) -> None:
    create = "mutation ($i: ReadingCreate!) { readingCreate(item: $i) { whole } }"
    for key, value in (("a", MOST), ("b", -(2**63)), ("c", 2**53 + 1)):
        found = ask(create, i={"id": key, "plain": 1, "whole": str(value)})
        assert found["data"]["readingCreate"] == {"whole": str(value)}
    found = ask("query ($n: String) { readingSearch(where: {whole: {ge: $n}}) { items { id whole } } }", n=str(2**62))
    assert found["data"]["readingSearch"]["items"] == [{"id": "a", "whole": str(MOST)}]


def test_a_number_that_was_stored_under_wider_bounds_is_not_rounded() -> None:
    item = Reading(id="a", plain=1, exact=2**53 + 1)  # a Struct does not check bounds
    assert published(item)["exact"] is None
    assert within(*RANGES[WHOLE], [1, item.exact]) is None


def test_numbers_of_a_sequence_are_never_null(app: App, ask: Any) -> None:
    found = ask('mutation { ticketCreate(item: {id: "a"}) { number } }')
    assert found["data"]["ticketCreate"] == {"number": 1}
    assert (
        str(ask.schema.type_map["Ticket"].fields["number"].type if isinstance(ask, StandIn) else "Float!") == "Float!"
    )


def test_an_event_has_null_for_an_integer_that_it_cannot_represent() -> None:
    assert published(Reading(id="a", plain=2**60, whole=2**60)) == {
        "id": "a", "plain": None, "positive": None, "whole": str(2**60), "exact": None,
    }  # fmt: skip
    assert published(Reading(id="a", plain=-EXACT))["plain"] == -EXACT
