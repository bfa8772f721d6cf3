"""Only pages of the configured origins may call the surfaces."""

from __future__ import annotations

import pytest

from persisty import App, Caller, InvalidDeclaration
from persisty.api.http.authentication import Identified
from persisty.api.http.cors import EXPOSED, MAX_REQUESTED, METHODS, REQUEST_HEADERS, cross_origin
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest
from persisty.security.authenticator import authenticator_of
from persisty.settings import Settings

PAGE, OTHER = "https://app.example.com", "https://evil.example.com"
REQUESTED = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization,content-type"}


def surface(app: App, origins: str | None) -> Identified:
    """Return a surface as hosts build it: authentication, and the configured CORS around it."""
    app.authenticator = authenticator_of(Settings(), "dev", "s" * 40, needed=True)
    return Identified(Rest(app).handle, app.authenticator)


def ask(app: App, origins: str | None, method: str, path: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cross_origin(surface(app, origins).handle, origins)(Request(method, path, "", named))


def cors_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("origins", [PAGE, f"http://localhost:3000  {PAGE}", "*"])
def test_a_preflight_is_answered_without_authentication(app: App, origins: str) -> None:
    answer = ask(app, origins, "OPTIONS", "/api/thing/x", origin=PAGE, authorization="Bearer nonsense", **REQUESTED)
    assert (answer.status, answer.body) == (204, b"")
    headers = cors_headers(answer)
    assert headers["access-control-allow-origin"] == ("*" if origins == "*" else PAGE)
    assert set(METHODS) == set(headers["access-control-allow-methods"].split(", "))
    assert {"Authorization", "Content-Type", "If-Match", "Idempotency-Key"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert headers["access-control-max-age"] == "7200"
    assert answer.headers.get("vary") == (None if origins == "*" else "origin")
    assert ask(app, None, "OPTIONS", "/api/thing/x", origin=PAGE, authorization="Bearer nonsense").status == 401


TRACING = "authorization, Baggage,sentry-trace,  traceparent,x-datadog-parent-id"


@pytest.mark.parametrize("origins", [PAGE, "*"])
def test_a_preflight_allows_the_requested_headers(app: App, origins: str) -> None:
    def allowed(requested: str, origin: str = PAGE) -> set[str]:
        headers = {**REQUESTED, "access-control-request-headers": requested}
        answer = ask(app, origins, "OPTIONS", "/api/thing", origin=origin, **headers)
        assert ("access-control-request-headers" in answer.headers.get("vary", "")) == (
            requested not in ("", "if-match")
        )
        return set(cors_headers(answer)["access-control-allow-headers"].split(", "))

    assert {"baggage", "sentry-trace", "traceparent", "x-datadog-parent-id", "Authorization"} <= allowed(TRACING)
    assert allowed("") == allowed("if-match") == set(REQUEST_HEADERS)
    assert allowed("x-good,b\r\nad,,a b,\x00,ü,a:b") == {*REQUEST_HEADERS, "x-good"}
    assert len(allowed(",".join(f"x-{number}" for number in range(5000)))) == len(REQUEST_HEADERS) + MAX_REQUESTED


def test_a_preflight_of_another_origin_allows_no_header(app: App) -> None:
    headers = {**REQUESTED, "access-control-request-headers": TRACING}
    assert cors_headers(ask(app, PAGE, "OPTIONS", "/api/thing", origin=OTHER, **headers)) == {}


def test_a_preflight_allows_every_method_of_the_routes(app: App) -> None:
    rest = Rest(app)
    for path in ("/health", "/api/thing", "/api/thing/x", "/api/thing-batch", "/actions/repeat", "/actions/add"):
        offered = set(rest.handle(Request("OPTIONS", path)).headers["allow"].split(", "))
        assert offered <= {*METHODS, "OPTIONS"}


@pytest.mark.parametrize(("origins", "vary"), [(PAGE, "origin"), ("*", None)])
@pytest.mark.parametrize("path", ["/health", "/api/thing/nothing", "/nothing"])
def test_successes_and_errors_are_exposed_to_the_page(app: App, origins: str, vary: str | None, path: str) -> None:
    answer = ask(app, origins, "GET", path, origin=PAGE)
    assert answer.headers["access-control-allow-origin"] == (PAGE if origins == PAGE else "*")
    assert answer.headers["access-control-expose-headers"] == ", ".join(EXPOSED)
    assert answer.headers.get("vary") == vary
    response = ask(app, None, "GET", path, origin=PAGE)
    assert (answer.status, answer.body) == (response.status, response.body)
    assert response.headers.items() <= answer.headers.items()


def test_a_page_can_read_the_error_of_invalid_credentials(app: App) -> None:
    answer = ask(app, PAGE, "GET", "/health", origin=PAGE, authorization="Bearer nonsense")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, PAGE)


@pytest.mark.parametrize("origin", [OTHER, "null", PAGE.upper(), f"{PAGE}:443", f"{PAGE}.evil.com", ""])
def test_a_page_of_another_origin_gets_no_cors_headers(app: App, origin: str) -> None:
    for answer in (
        ask(app, PAGE, "GET", "/api/thing", origin=origin),
        ask(app, PAGE, "OPTIONS", "/api/thing", origin=origin, **REQUESTED),
    ):
        assert cors_headers(answer) == {}
        assert "origin" in answer.headers["vary"].split(", ")


def test_a_response_without_an_origin_varies_by_origin(app: App) -> None:
    app.authenticator = authenticator_of(Settings(), "dev", "s" * 40, needed=True)
    token = app.authenticator.token(Caller("ann"))
    answer = ask(app, PAGE, "GET", "/api/thing", authorization=f"Bearer {token}")
    assert (answer.status, cors_headers(answer)) == (200, {})
    assert answer.headers["vary"].endswith("origin")
    assert "vary" not in ask(app, "*", "GET", "/health").headers


def test_no_response_allows_credentials(app: App) -> None:
    for origins in (PAGE, "*"):
        for method in ("GET", "OPTIONS"):
            answer = ask(app, origins, method, "/api/thing", origin=PAGE, **REQUESTED)
            assert "access-control-allow-credentials" not in answer.headers


def test_options_without_a_preflight_are_answered_by_the_surface(app: App) -> None:
    answer = ask(app, PAGE, "OPTIONS", "/api/thing", origin=PAGE)
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_without_configured_origins_the_surface_is_unchanged(app: App) -> None:
    handle = surface(app, None).handle
    assert [cross_origin(handle, said) for said in (None, "", "  ")] == [handle] * 3


@pytest.mark.parametrize(
    "origins",
    ["example.com", f"{PAGE}/", f"{PAGE}/path", "https://", "null", f"* {PAGE}", "https://*.example.com", f"{PAGE},x"],
)
def test_an_invalid_origin_stops_the_start(app: App, origins: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        cross_origin(Rest(app).handle, origins)
    assert caught.value.faults
