"""Responses that are stored, and for how long."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from openapi_spec_validator import validate

from lambdas.http_event import answered
from persisty import (
    App,
    InvalidDeclaration,
    stored,
)
from persisty.api.idempotency import MAX_STORED
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.store_operations import store_operations
from persisty.store.idempotency_records import REQUESTS

from .items import BAD, CALLED, DAY, GOOD, Client, Clock, Parcel, code, made


def test_an_invalid_request_can_be_corrected_with_the_same_key(app: App, post: Client) -> None:
    for body in (b"{", {"id": ""}, {"wrong": 1}):
        assert post("/api/parcel", body).status in (400, 422)
    assert post("/api/parcel", {"id": "a"}, content_type="text/plain").status == 415
    assert post("/api/parcel", {"id": "a"}, accept="text/html").status == 406
    assert app.requests.count() == 0
    assert post("/api/parcel", {"id": "a"}).status == 201


def test_a_response_that_is_too_large_is_not_replayed(app: App, post: Client) -> None:
    body = {"id": "a", "text": "x" * MAX_STORED}
    assert post("/api/parcel", body).status == 201
    again = post("/api/parcel", body)
    assert (again.status, code(again)) == (422, "answer_too_large")
    assert json.loads(again.body)["done"] == 201
    assert app.store(Parcel).count() == 1


def test_an_expired_key_can_be_used_again(post: Client, clock: Clock) -> None:
    post("/actions/send", {"text": "hi"})
    clock.now += DAY - 1
    assert "idempotency-replayed" in post("/actions/send", {"text": "hi"}).headers
    assert code(post("/actions/send", {"text": "ho"})) == "idempotency_key_reused"
    clock.now += 3
    assert "idempotency-replayed" not in post("/actions/send", {"text": "ho"}).headers
    assert "idempotency-replayed" in post("/actions/send", {"text": "ho"}).headers
    assert CALLED == ["hi", "ho"]


def test_a_request_without_a_key_or_without_post_stores_no_record(app: App, post: Client) -> None:
    opened: list[Any] = []
    app.requests._open = lambda: opened.append(1)  # type: ignore[assignment,method-assign,func-returns-value,return-value]
    assert post("/api/parcel", {"id": "a"}, None).status == 201
    assert post("/api/parcel/a", {"text": "b"}, method="PATCH").status == 200
    assert post("/actions/look?text=x", b"", method="GET").status == 200
    assert post("/api/parcel/a", b"", method="DELETE").status == 204
    assert opened == []


def test_idempotency_can_be_switched_off(clock: Clock) -> None:
    app = made(idempotency=None)
    post = Client(Rest(app, clock=clock))
    CALLED.clear()
    assert {post("/actions/send", {"text": "hi"}, key).status for key in ("k", "k", "a b")} == {200}
    assert CALLED == ["hi"] * 3
    assert "Idempotency-Key" not in json.dumps(document(app))
    assert not app.stores_responses


def test_an_invalid_lifetime_and_an_item_with_the_reserved_name_stop_the_declaration() -> None:
    for wrong in (timedelta(0), timedelta(seconds=-1), timedelta(days=31)):
        with pytest.raises(InvalidDeclaration):
            made(idempotency=wrong)

    @stored(name=REQUESTS.name)
    class Mine:
        id: str

    with pytest.raises(InvalidDeclaration, match="persisty reserves"):
        App("post", items=[Mine], url="memory://")


def test_responses_are_stored_only_if_the_app_has_a_post_route() -> None:
    @stored
    class Private:
        id: str

    assert made().stores_responses
    assert App("post", items=[Parcel], url="memory://").stores_responses
    assert not App("post", items=[Private], url="memory://").stores_responses


def test_no_surface_offers_the_records(app: App, post: Client) -> None:
    post("/actions/send", {"text": "hi"})
    assert REQUESTS.name not in app.metas
    assert not [name for name in store_operations(app) if "request" in name]
    assert (
        "request"
        not in json.dumps(sorted(document(app)["paths"]))
        + json.dumps(sorted(document(app)["components"]["schemas"])).lower()
    )
    assert post("/api/persisty-request", b"", method="GET").status == 404


def test_a_lambda_function_responds_like_the_server(app: App, post: Client) -> None:
    def event(body: str) -> dict[str, Any]:
        return {
            "version": "2.0", "rawPath": "/api/parcel", "rawQueryString": "", "body": body,
            "headers": {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324", "Content-Type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": "/api/parcel"}}, "isBase64Encoded": False,
        }  # fmt: skip

    first, again = (answered(post.rest.handle, event('{"id": "a"}')) for _ in range(2))
    assert first["statusCode"] == 201
    assert again == {**first, "headers": {**first["headers"], "idempotency-replayed": "true"}}
    assert answered(post.rest.handle, event('{"id": "b"}'))["statusCode"] == 422


def test_openapi_describes_the_header_and_its_errors(app: App, post: Client) -> None:
    found = document(app)
    validate(found)
    described = {}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            header = [one for one in operation.get("parameters", ()) if one["name"] == "Idempotency-Key"]
            assert bool(header) == (method == "post"), (method, path)
            if header:
                described[path] = (operation["responses"], header[0])
    assert set(described) == {
        "/api/parcel",
        "/api/parcel-batch",
        "/api/diary",
        "/api/diary-batch",
        "/api/-batch",
        "/actions/send",
    }
    for responses, header in described.values():
        assert "idempotency_key_invalid" in responses["400"]["description"]
        assert "idempotency_in_progress" in responses["409"]["description"]
        assert "Retry-After" in responses["409"]["headers"]
        assert {"idempotency_key_reused", "answer_too_large"} <= {*responses["422"]["description"].split(", ")}
        done = responses["201" if "201" in responses else "200"]
        assert "Idempotency-Replayed" in done["headers"]
        assert (header["in"], header.get("required", False)) == ("header", False)
        pattern = re.compile(header["schema"]["pattern"])
        for key in [one.strip() for one in GOOD]:
            assert pattern.search(key), key
        for key in BAD:
            assert not pattern.search(key) or len(key) > 257, key
