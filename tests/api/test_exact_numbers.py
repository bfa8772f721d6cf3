"""A number in a JSON body is stored exactly, or rejected with its path."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from persisty import App, Attr, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest
from persisty.transfer.load import load
from persisty.transfer.rows import Lines, json_rows
from persisty.transfer.values import typed_values


class Line(Struct):
    price: Decimal
    weight: float = 0.0
    more: Any = None


@stored(access=public)
class Account:
    id: str
    balance: Decimal | None = None
    ratio: float | None = None
    count: int = 0
    lines: list[Line] = Attr(factory=list)
    extra: dict[str, Any] = Attr(factory=dict)
    anything: Any = None


@action(access_control=everyone, triggers=WEB_POST)
def double(amount: Decimal, extra: dict[str, Any] | None = None) -> Decimal:
    return amount * 2


EXACT = ("0.29999999999999998", "12345678901234567.89", "0.1", "1e3", "1E-30", "-99999999999999999999.99")


@pytest.fixture
def app() -> Iterator[App]:
    made = App("accounts", items=[Account], actions=[double], url="memory://")
    yield made
    made.close()


@pytest.fixture
def rest(app: App) -> Rest:
    return Rest(app)


def send(rest: Rest, method: str, path: str, text: str, query: str = "") -> Response:
    return rest.handle(Request(method, path, query, {"content-type": "application/json"}, text.encode()))


def stored_decimals(app: App, written: str) -> Decimal:
    found = app.store(Account).read("a")
    assert found is not None
    assert found.balance == found.lines[0].price == Decimal(written)
    return found.balance or Decimal()


@pytest.mark.parametrize("written", EXACT)
def test_a_decimal_is_stored_as_the_number_was_written(app: App, rest: Rest, written: str) -> None:
    values = f'"balance": {written}, "lines": [{{"price": {written}}}]'
    assert send(rest, "POST", "/api/account", f'{{"id": "a", {values}}}').status == 201
    stored_decimals(app, written)
    app.store(Account).update("a", {"balance": None, "lines": []})
    assert send(rest, "PATCH", "/api/account/a", f"{{{values}}}").status == 200
    stored_decimals(app, written)
    app.store(Account).update("a", {"lines": []})
    appended = f'{{"lines": {{"append": [{{"price": {written}}}]}}}}'
    assert send(rest, "PATCH", "/api/account/a", appended).status == 200
    stored_decimals(app, written)
    changes = f'{{"edits": [{{"delete": {{"key": "a"}}}}, {{"create": {{"id": "a", {values}}}}}]}}'
    assert send(rest, "POST", "/api/account-batch", changes).status == 200
    stored_decimals(app, written)


def test_a_condition_of_a_batch_compares_with_the_number_as_it_was_written(app: App, rest: Rest) -> None:
    app.store(Account).create({"id": "a", "balance": Decimal("0.29999999999999998")})
    for number, code in (("0.3", "precondition_failed"), ("0.29999999999999998", "ok")):
        edit = (
            f'{{"edits": [{{"update": {{"key": "a", "changes": {{}}, "when": {{"balance": {{"eq": {number}}}}}}}}}]}}'
        )
        [result] = json.loads(send(rest, "POST", "/api/account-batch", edit).body)["results"]
        assert result["code"] == code


def test_a_float_is_rounded_to_the_nearest_and_an_int_may_have_a_fraction_of_zero(app: App, rest: Rest) -> None:
    text = '{"id": "a", "ratio": 0.10000000000000001, "count": 3.0, "lines": [{"price": 1, "weight": 0.29999999999999998}]}'
    assert send(rest, "POST", "/api/account", text).status == 201
    found = app.store(Account).read("a")
    assert found is not None
    assert (found.ratio, found.count, found.lines[0].weight) == (0.1, 3, 0.3)


@pytest.mark.parametrize(
    "number", ["0.10000000000000001", "1e22", "2.50", "1e3", "0.1000000000000000055511151231257827"]
)
def test_a_number_without_a_declared_type_is_an_exact_float(app: App, rest: Rest, number: str) -> None:
    assert send(rest, "POST", "/api/account", f'{{"id": "a", "extra": {{"n": {number}}}}}').status == 201
    found = app.store(Account).read("a")
    assert found is not None
    assert found.extra == {"n": float(number)}


REFUSED = {
    "/extra": '{"extra": {"a": [%s]}}',
    "/anything": '{"anything": %s}',
    "/lines": '{"lines": [{"price": 1, "more": {"x": %s}}]}',
    "/count": '{"count": %s}',
}


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "12345678901234567.89", "1e99999999999999999999"])
@pytest.mark.parametrize("path", REFUSED)
def test_a_number_that_a_float_would_round_is_rejected_without_a_declared_type(
    app: App, rest: Rest, number: str, path: str
) -> None:
    app.store(Account).create({"id": "a"})
    body = REFUSED[path] % number
    for method, at in (("POST", "/api/account"), ("PATCH", "/api/account/a")):
        response = send(rest, method, at, body if method == "PATCH" else body.replace("{", '{"id": "b", ', 1))
        assert response.status == 422, response.body
        assert json.loads(response.body)["faults"][0]["path"].startswith(path)
    assert app.store(Account).count() == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"extra": {"a": [1, {"b c": 1e400}]}}', "/extra/a/1/b c"),
        ('{"extra": {"a.b": 1e400}}', "/extra/a.b"),
        ('{"lines": [{"price": 1}, {"price": 1e400}]}', "/lines/1/price"),
        ('{"lines": [{"price": 1, "weight": -1e400}]}', "/lines/0/weight"),
    ],
)
def test_the_fault_of_a_number_beyond_floats_has_its_place(rest: Rest, body: str, path: str) -> None:
    response = send(rest, "POST", "/api/account", body.replace("{", '{"id": "b", ', 1))
    [fault] = json.loads(response.body)["faults"]
    assert (response.status, fault["path"]) == (422, path)
    assert fault["message"].startswith("Expected a number between")


@pytest.mark.parametrize("number", ["1e400", "1e-400", "1e126", "1e99999999999999999999", "1." + "1" * 60])
def test_a_decimal_or_float_out_of_range_is_rejected(rest: Rest, number: str) -> None:
    for name in ("balance", "ratio") if number.startswith("1e") else ("balance",):
        response = send(rest, "POST", "/api/account", f'{{"id": "a", "{name}": {number}}}')
        assert response.status == 422
        assert [one["path"] for one in json.loads(response.body)["faults"]] == [f"/{name}"]


def test_an_argument_of_an_action_is_the_number_as_it_was_written(rest: Rest) -> None:
    response = send(rest, "POST", "/actions/double", '{"amount": 0.29999999999999998}')
    assert (response.status, response.body) == (200, b'"0.59999999999999996"')
    response = send(rest, "POST", "/actions/double", '{"amount": 1, "extra": {"a": 1e400}}')
    assert (response.status, json.loads(response.body)["faults"][0]["path"][:6]) == (422, "/extra")


def test_graphql_accepts_floats_and_rejects_numbers_in_json_that_a_float_would_round(app: App) -> None:
    endpoint = GraphqlEndpoint(app)

    def ask(item: str) -> Any:
        text = "mutation ($i: AccountCreate!) { accountCreate(item: $i) { balance ratio } }"
        body = f'{{"query": {json.dumps(text)}, "variables": {{"i": {item}}}}}'.encode()
        return json.loads(
            endpoint.handle(Request("POST", "/graphql", "", {"content-type": "application/json"}, body)).body
        )

    done = ask('{"id": "a", "balance": "0.29999999999999998", "ratio": 0.10000000000000001}')
    assert done == {"data": {"accountCreate": {"balance": "0.29999999999999998", "ratio": 0.1}}}
    assert "errors" in ask('{"id": "b", "extra": "{\\"a\\": 1e400}"}')
    assert app.store(Account).count() == 1


def test_an_import_of_lines_stores_exact_numbers(app: App) -> None:
    text = b'{"id": "a", "balance": 0.29999999999999998}\n{"id": "b", "extra": {"a": 1e400}}\n{"id": "c", "balance": 1.5}\n'
    [settled] = load(app.store(Account), json_rows(Lines(io.BytesIO(text))), typed_values(app.store(Account).meta))
    assert settled.imported == 2
    assert [(one.line, one.code) for one in settled.rejected] == [(2, "invalid_input")]
    found = app.store(Account).read("a")
    assert found is not None
    assert found.balance == Decimal("0.29999999999999998")
