"""Signatures are equal to botocore's for every request."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from persisty.aws.sigv4 import CONTENT_TYPE, Credentials, Signer

VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
SECRETS = st.text(VISIBLE, min_size=1, max_size=60)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
HOSTS = st.one_of(
    NAMES.map(lambda region: f"dynamodb.{region}.amazonaws.com"),
    st.tuples(NAMES, st.integers(1, 65535).filter(lambda port: port not in (80, 443))).map(
        lambda it: f"{it[0]}:{it[1]}"
    ),
)
MOMENTS = st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1))
CREDENTIALS = st.builds(Credentials, SECRETS, SECRETS, st.none() | SECRETS)


SERVICES = {"dynamodb": ("/", CONTENT_TYPE), "appsync": ("/graphql", "application/json")}
"""Service → the path and the content type of its requests."""


def botocores(
    host: str, region: str, target: str, body: bytes, credentials: Credentials, moment: str, service: str
) -> dict[str, str]:
    """Return the headers of botocore."""
    path, content_type = SERVICES[service]
    headers = {"Content-Type": content_type} | ({"X-Amz-Target": target} if target else {})
    request = AWSRequest("POST", f"http://{host}{path}", headers, body)
    request.context["timestamp"] = moment
    token = credentials.session_token
    owner = BotoCredentials(credentials.access_key_id, credentials.secret_access_key, token)
    auth = SigV4Auth(owner, service, region)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", _clock(moment))
        auth.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def _clock(moment: str) -> Callable[..., Any]:
    return lambda *_, **__: datetime.datetime.strptime(moment, "%Y%m%dT%H%M%SZ")


def signed_headers(lines: str) -> dict[str, str]:
    assert lines.endswith("\r\n")
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[:-2].split("\r\n"))}


@settings(deadline=None)
@given(
    host=HOSTS,
    region=NAMES,
    target=st.just("") | SECRETS,
    body=st.binary(),
    credentials=CREDENTIALS,
    at=MOMENTS,
    service=st.sampled_from(sorted(SERVICES)),
)
def test_a_request_is_signed_as_botocore_signs_it(
    host: str, region: str, target: str, body: bytes, credentials: Credentials, at: datetime.datetime, service: str
) -> None:
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    found = signed_headers(Signer(host, region, service, *SERVICES[service]).headers(target, body, credentials, moment))
    expected = botocores(host, region, target, body, credentials, moment, service)
    assert found.pop("host") == host
    assert found == {name: expected[name] for name in found}
    assert found["authorization"].startswith("AWS4-HMAC-SHA256 Credential=")


@settings(deadline=None)
@given(first=CREDENTIALS, second=CREDENTIALS, days=st.lists(MOMENTS, min_size=2, max_size=5))
def test_a_cached_key_signs_only_for_its_secret_and_day(
    first: Credentials, second: Credentials, days: list[datetime.datetime]
) -> None:
    signer = Signer("localhost:8000", "eu-west-1")
    for credentials in (first, second, first):
        for day in days:
            moment = day.strftime("%Y%m%dT%H%M%SZ")
            fresh = Signer("localhost:8000", "eu-west-1")
            given_ = ("DynamoDB_20120810.GetItem", b"{}", credentials, moment)
            assert signer.headers(*given_) == fresh.headers(*given_)


def test_credentials_do_not_show_in_their_repr() -> None:
    assert "secret" not in repr(Credentials("id", "secret", "secret token"))
