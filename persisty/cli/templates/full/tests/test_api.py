"""The app through REST and GraphQL, as `persisty serve` serves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from persisty import App, Caller
from persisty.hosting.server import Server
from starlette.testclient import TestClient

from appname.seeds import key_of, seed


@pytest.fixture
def client(app_on_sqlite: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", "a secret of these tests, long enough")
    seed(app_on_sqlite)
    with TestClient(Server(app_on_sqlite)) as client:
        yield client


@pytest.fixture
def ann(client: TestClient, app_on_sqlite: App) -> dict[str, str]:
    """Return the headers of a caller."""
    return {"authorization": f"Bearer {app_on_sqlite.authenticator.token(Caller('ann'))}"}


def test_everyone_searches_products(client: TestClient) -> None:
    found = client.get("/api/product", params={"price__lt": "5", "order": "price"}).json()
    assert [one["code"] for one in found["items"]] == ["TEA-2", "TEA-1"]


def test_a_purchase_is_placed_and_queried(client: TestClient, ann: dict[str, str]) -> None:
    lines = [{"product_id": str(key_of("CUP-1")), "quantity": 2}]
    assert client.post("/actions/buy", json={"lines": lines}).status_code == 401
    assert client.post("/actions/buy", json={"lines": lines}, headers=ann).status_code == 200
    query = "{ purchaseSearch { items { customer_id lines { items { quantity product { name } } } } } }"
    answer = client.post("/graphql", json={"query": query}, headers=ann).json()
    line = {"quantity": 2, "product": {"name": "A cup"}}
    assert answer["data"]["purchaseSearch"]["items"] == [{"customer_id": "ann", "lines": {"items": [line]}}]
