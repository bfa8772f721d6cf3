"""The server of `persisty local`: pages, and what the HTTP API itself answers."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from persisty.local.server import Front, application


@pytest.fixture
def client() -> TestClient:
    return TestClient(application(Front(), "shop & co"))


def test_a_path_without_a_route_is_answered_as_api_gateway_does(client: TestClient) -> None:
    response = client.get("/api/product")
    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("path", ["/docs", "/graphiql"])
def test_pages_need_no_app_in_the_process(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert "<title>shop &amp; co" in response.text
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert client.get("/pages/docs.css").status_code == 200
