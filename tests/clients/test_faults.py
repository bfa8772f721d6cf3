"""The Python client against failing servers, simulated by a transport of httpx."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

SOON = {"retry-after": "0"}
NOTE = {"code": "a", "price": "1"}


@pytest.fixture
def shop(folder: Path) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("shop_client", folder / "shop_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["shop_client"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["shop_client"]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Records the pauses instead of waiting."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


def problem(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    media = {"content-type": "application/problem+json", **(headers or {})}
    return httpx.Response(status, json={"code": code, "status": status, "title": "No", **more}, headers=media)


def page() -> httpx.Response:
    return httpx.Response(200, json={"items": [], "cursor": None})


def created(key: str = "00000000-0000-4000-8000-000000000001") -> httpx.Response:
    return httpx.Response(201, json={"id": key})


def playing(shop: ModuleType, *answers: httpx.Response | Exception, **options: Any) -> tuple[Any, list[httpx.Request]]:
    """Return a client of a server that sends these responses, and the list of the requests."""
    left, asked = list(answers), []

    def play(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return shop.ShopClient("http://shop", transport=httpx.MockTransport(play), **options), asked


def test_a_read_is_repeated_after_growing_pauses(shop: ModuleType, pauses: list[float]) -> None:
    client, asked = playing(shop, httpx.ConnectError("no"), problem(503, "throttled"), page())
    assert client.article.search().items == []
    assert len(asked) == 3
    assert 0.05 <= pauses[0] <= 0.1 <= pauses[1] <= 0.2


def test_an_edit_in_the_form_of_rest_raises_with_the_form_of_the_client(shop: ModuleType) -> None:
    client, asked = playing(shop)
    edit = {"store": "article", "create": {"id": "a"}}
    for call in (client.edit_batch, client.article.edit_batch):
        with pytest.raises(TypeError, match=r"An edit is .*, not .*article"):
            call([edit])
    assert asked == []


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("slow"), problem(503, "throttled"), problem(502, "throttled")])
def test_a_write_is_not_repeated_if_it_may_have_been_executed(shop: ModuleType, answer: Any) -> None:
    for call in ("update", "delete"):
        client, asked = playing(shop, answer, page())
        with pytest.raises(shop.ClientError) as raised:
            getattr(client.article, call)("key", *([{}] if call == "update" else []))
        assert isinstance(raised.value, shop.NetworkError) is isinstance(answer, httpx.ReadTimeout)
        assert len(asked) == 1


def test_a_write_is_repeated_if_the_server_names_a_time(shop: ModuleType, pauses: list[float]) -> None:
    client, asked = playing(shop, problem(429, "rate_limited", {"retry-after": "7"}), httpx.Response(204))
    assert client.article.delete("key") is True
    assert (len(asked), pauses) == (2, [7.0])


def test_a_post_is_repeated_with_its_own_idempotency_key(shop: ModuleType) -> None:
    busy = problem(409, "idempotency_in_progress")
    client, asked = playing(shop, httpx.ReadError("cut"), busy, created(), created(), page())
    client.article.create(NOTE)
    client.article.create(NOTE)
    client.article.search()
    first, second, third, other, reading = [one.headers.get("idempotency-key") for one in asked]
    assert first == second == third != other
    assert other is not None
    assert reading is None


def test_a_request_is_repeated_at_most_retries_times(shop: ModuleType, pauses: list[float]) -> None:
    client, asked = playing(shop, *(problem(503, "not_ready", SOON) for _ in range(9)), retries=3)
    with pytest.raises(shop.ApiError, match="not_ready") as raised:
        client.article.search()
    assert (raised.value.retry_after, len(asked), len(pauses)) == (0.0, 4, 3)
    client, asked = playing(shop, problem(429, "rate_limited", {"retry-after": "3600"}))
    with pytest.raises(shop.ApiError):
        client.article.search()
    assert (len(asked), len(pauses)) == (1, 3)


def test_an_error_has_every_member_of_the_problem_document(shop: ModuleType) -> None:
    fault = {"path": "/price", "message": "Missing", "expected": "decimal"}
    client, _ = playing(shop, problem(422, "invalid_input", detail="It is not", faults=[fault], limit=3))
    with pytest.raises(shop.ApiError) as raised:
        client.article.create({})
    error = raised.value
    assert (error.code, error.status, error.title, error.detail) == ("invalid_input", 422, "No", "It is not")
    assert error.faults == [shop.Fault("/price", "Missing", "decimal")]
    assert error.document["limit"] == 3
    assert str(error) == "invalid_input: It is not; /price: Missing"


def test_a_missing_item_is_no_error_but_a_not_found_with_a_detail_is_one(shop: ModuleType) -> None:
    client, _ = playing(shop, *(problem(404, "not_found") for _ in range(2)))
    assert client.article.update("key", {}) is None
    assert client.article.delete("key") is False
    client, _ = playing(shop, *(problem(404, "not_found", detail="No such customer") for _ in range(2)))
    for call in (lambda: client.article.update("key", {}), lambda: client.article.delete("key")):
        with pytest.raises(shop.ApiError, match="No such customer"):
            call()


@pytest.mark.parametrize("status", [404, 418])
def test_a_response_that_is_not_the_apps_is_an_error(shop: ModuleType, status: int) -> None:
    client, _ = playing(shop, httpx.Response(status, text="<h1>nginx</h1>"))
    with pytest.raises(shop.ApiError) as raised:
        client.article.read("key")
    assert (raised.value.code, raised.value.status, raised.value.detail) == ("http_error", status, "<h1>nginx</h1>")
    client, _ = playing(shop, httpx.Response(200, text="<h1>nginx</h1>"))
    with pytest.raises(shop.ClientError, match="does not fit the types of this client"):
        client.article.read("key")


def test_an_export_that_fails_returns_the_items_before_the_failure(shop: ModuleType) -> None:
    lines = '{"code":"é\u2028\x85"}\n{"code":"b"}\n{"code":"throttled","status":503,"title":"Throttled"}\n'
    client, asked = playing(shop, httpx.Response(200, text=lines))
    exported = client.article.export(fields=["code"])
    assert [next(exported).code, next(exported).code] == ["é\u2028\x85", "b"]
    with pytest.raises(shop.ApiError, match="throttled"):
        next(exported)
    assert asked[0].headers["accept"] == "application/x-ndjson"


def test_the_token_function_is_called_for_each_request(shop: ModuleType) -> None:
    tokens = iter(("one", "two"))
    client, asked = playing(shop, problem(503, "not_ready", SOON), page(), token=lambda: next(tokens))
    client.article.search()
    assert [one.headers["authorization"] for one in asked] == ["Bearer one", "Bearer two"]


def test_oneof_an_empty_list_matches_nothing(shop: ModuleType) -> None:
    client, asked = playing(shop, page())
    client.article.search({"code": {"oneof": []}, "origin": {"country": {"eq": None}}, "size": {"ne": None}})
    assert asked[0].url.query == (
        b"code__null=true&code__null=false&origin.country__null=true&size__null=false"
    )  # fmt: skip
