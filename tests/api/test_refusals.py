"""The headers that an error response must have, on every surface and host."""

from __future__ import annotations

import pytest

from persisty.api.http.problem import refusal
from persisty.errors import (
    BackendUnavailable,
    InvalidInput,
    MethodNotAllowed,
    PersistyError,
    RateLimited,
    Throttled,
    Unauthenticated,
    Unfinished,
)


@pytest.mark.parametrize(
    ("error", "status", "added"),
    [
        (RateLimited(retry_after=7), 429, {"retry-after": "7"}),
        (RateLimited(retry_after=0.2), 429, {"retry-after": "1"}),
        (RateLimited(), 429, {}),
        (Throttled(), 503, {"retry-after": "1"}),
        (Throttled(retry_after=30), 503, {"retry-after": "30"}),
        (Throttled(in_doubt=True), 503, {}),
        (BackendUnavailable(), 503, {}),
        (Unfinished(done=3), 503, {}),
        (MethodNotAllowed(allow="GET, HEAD"), 405, {"allow": "GET, HEAD"}),
        (Unauthenticated(error="invalid_token"), 401, {"www-authenticate": 'Bearer error="invalid_token"'}),
        (InvalidInput(), 422, {}),
    ],
    ids=lambda value: f"{type(value).__name__} {value.details}" if isinstance(value, PersistyError) else "",
)
def test_an_error_has_the_headers_that_its_status_requires(
    error: PersistyError, status: int, added: dict[str, str]
) -> None:
    response = refusal(error)
    assert response.status == status
    always = {"content-type": "application/problem+json", "cache-control": "no-store"}
    assert response.headers == {**always, **added}
