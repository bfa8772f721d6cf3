"""The text of a decimal is accepted exactly if the pattern in OpenAPI allows it, on every way in."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import App, Attr, InvalidInput, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.transfer.csv_rows import CsvRows, Dialect
from persisty.transfer.load import load
from persisty.transfer.rows import Lines
from persisty.transfer.values import typed_values


class Line(Struct):
    price: Decimal


class Tree(Struct):
    weight: Decimal | None = None
    below: list[Tree] = []


@stored(access=public)
class Account:
    id: Attr[str]
    balance: Attr[Decimal | None] = Attr(default=None)
    lines: Attr[list[Line]] = Attr(factory=list)
    rates: Attr[dict[str, Decimal]] = Attr(factory=dict)
    tree: Attr[Tree | None] = Attr(default=None)


@action(access_control=everyone, triggers=WEB_POST)
def double(amount: Decimal) -> Decimal:
    return amount


@action(access_control=everyone, triggers=WEB_GET)
def half(amount: Decimal) -> Decimal:
    return amount


APP = App("accounts", items=[Account], actions=[double, half], url="memory://")
REST = Rest(APP)
GRAPHQL = GraphqlEndpoint(APP)
ODD = (
    *(
        " 1",
        "1 ",
        "1_0",
        "\uff11",
        "\u0661",
        "1.",
        ".5",
        "+1",
        "1.5\n",
        "",
        "NaN",
        "sNaN",
        "Infinity",
        "--1",
        "1e",
        "1e+",
        "0x1",
    ),
    *("1" * 39, "1e126", "1e-131", "1,5", "1.5.5", "1e1.5", "\u00a01"),
)
FINE = ("1", "-1", "0", "-0", "00.50", "1.50", "1e3", "1E-30", "1E+100", "1" * 38, "9." + "9" * 37 + "e125", "1e-130")


def _pattern() -> str:
    """Return the pattern that a client sees."""
    text = json.dumps(document(APP)["components"]["schemas"]["Line"])
    [found] = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', text)
    return str(json.loads(found))


def _texts() -> list[str]:
    random = Random(2026)
    alphabet = "0123456789" * 3 + "....eE+-_ \uff11"
    return ["".join(random.choices(alphabet, k=random.randint(1, 7))) for _ in range(300)]


def _send(method: str, path: str, body: Any = None, query: str = "") -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    return REST.handle(Request(method, path, query, {"content-type": "application/json"}, content))


def _created(members: Any) -> bool:
    APP.store(Account).delete("a")
    response = _send("POST", "/api/account", {"id": "a", **members})
    assert response.status in (201, 422), response.body
    return bool(response.status == 201)


def _patched(members: Any) -> bool:
    APP.store(Account).delete("a")
    APP.store(Account).create(Account(id="a"))
    response = _send("PATCH", "/api/account/a", members)
    assert response.status in (200, 422), response.body
    return bool(response.status == 200)


def _posted_batch(members: Any) -> bool:
    APP.store(Account).delete("a")
    APP.store(Account).delete("b")
    edits = [{"create": {"id": key, **members}} for key in ("a", "b")]
    response = _send("POST", "/api/account-batch", {"edits": edits})
    assert response.status in (200, 422), response.body
    return bool(response.status == 200)


def _asked(text: str, variables: Any) -> bool:
    body = json.dumps({"query": text, "variables": variables}).encode()
    response = GRAPHQL.handle(Request("POST", "/graphql", "", {"content-type": "application/json"}, body))
    assert response.status < 500
    return "errors" not in json.loads(response.body)


def _imported(text: str) -> bool:
    APP.store(Account).delete("a")
    lines = Lines(io.BytesIO(f'id,balance\na,"{text}"\n'.encode()))
    store = APP.store(Account)
    results = [*load(store, CsvRows(lines, Dialect()), typed_values(store.meta))]
    return not any(one.rejected for one in results)


WAYS: dict[str, Callable[[str], bool]] = {
    "a body": lambda text: _created({"balance": text}),
    "a list": lambda text: _created({"lines": [{"price": text}]}),
    "a dict": lambda text: _created({"rates": {"x": text}}),
    "an object in an object": lambda text: _created({"tree": {"below": [{"below": [{"weight": text}]}]}}),
    "a change": lambda text: _patched({"balance": text}),
    "an append": lambda text: _patched({"lines": {"append": [{"price": text}]}}),
    "a batch": lambda text: _posted_batch({"balance": text}),
    "a parameter": lambda text: _send("GET", "/api/account", query=f"balance={quote(text)}").status == 200,
    "a parameter of several": lambda text: (
        _send("GET", "/api/account", query=f"balance__oneof={quote(text)}&balance__oneof=2").status == 200
    ),
    "a nested parameter": lambda text: _send("GET", "/api/account", query=f"tree.weight={quote(text)}").status == 200,
    "an argument": lambda text: _send("POST", "/actions/double", {"amount": text}).status == 200,
    "an argument in a URL": lambda text: _send("GET", "/actions/half", query=f"amount={quote(text)}").status == 200,
    "a cell of CSV": _imported,
    "a variable": lambda text: _asked(
        "query ($of: String!) { accountSearch(where: {balance: {eq: $of}}) { items { id } } }", {"of": text}
    ),
    "a literal": lambda text: _asked(
        f"{{ accountSearch(where: {{balance: {{eq: {json.dumps(text)}}}}}) {{ items {{ id }} }} }}", {}
    ),
}


@pytest.fixture(autouse=True)
def prepared() -> None:
    APP.prepare()


@pytest.mark.parametrize("way", WAYS)
def test_exactly_the_texts_of_the_pattern_are_accepted(way: str) -> None:
    accepts, matches = WAYS[way], re.compile(_pattern().replace("$", r"\Z"), re.ASCII).match
    texts = [*ODD, *FINE, *_texts()]
    if way == "a cell of CSV":  # an empty cell is null
        texts = [text for text in texts if text and "\n" not in text]
    wrong = [text for text in texts if accepts(text) is (matches(text) is None)]
    assert wrong == []


def test_python_takes_decimals_and_the_texts_of_the_pattern() -> None:
    store = APP.store(Account)
    store.delete("a")
    store.create({"id": "a", "balance": Decimal(1_0)})
    with pytest.raises(InvalidInput, match="/balance: Invalid decimal string"):
        store.update("a", {"balance": "1_0"})


def test_every_text_that_is_no_decimal_has_its_fault() -> None:
    given = {"balance": "1.", "lines": [{"price": " 1"}, {"price": "2"}, {"price": "1_0"}], "rates": {"x": "+1"}}
    faults = json.loads(_send("POST", "/api/account", {"id": "a", **given}).body)["faults"]
    assert [one["path"] for one in faults] == ["/balance", "/lines/0/price", "/lines/2/price", "/rates/x"]
