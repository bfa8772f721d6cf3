"""Engines by URL, credentials, and tables that are created or completed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Index, InvalidDeclaration, stored
from persisty.aws import credentials
from persisty.aws.credentials import provider
from persisty.aws.sigv4 import Credentials
from persisty.backends.dynamodb import engine, table_definitions
from persisty.backends.dynamodb.backend import Options
from persisty.backends.dynamodb.boto3_transport import Boto3Transport
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.direct_transport import DirectTransport
from persisty.backends.dynamodb.engine import connect
from persisty.backends.dynamodb.transport import AwsError
from persisty.errors import BackendUnavailable, SchemaMismatch
from persisty.settings import AwsEnvironment
from persisty.store.store import context_of

from .items import CELL, THING, Thing


def opened(url: str) -> Any:
    return connect(url, app="a", stage="b").transport


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("dynamodb://eu-west-1", "dynamodb.eu-west-1.amazonaws.com"),
        ("dynamodb://cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn"),
        ("dynamodb://eu-west-1?endpoint=http://localhost:8000", "localhost:8000"),
        ("dynamodb://eu-west-1?endpoint=http://localhost:80/", "localhost"),
        ("dynamodb://eu-west-1?endpoint=http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_url_decides_where_requests_are_sent(url: str, host: str) -> None:
    transport = opened(url)
    assert isinstance(transport, DirectTransport)
    assert f"Host: {host}\r\n" in transport._host.request(b"{}", "T").decode()


def test_region_and_endpoint_default_to_the_variables_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert "dynamodb.eu-central-1.amazonaws.com" in opened("dynamodb://")._host.request(b"", "T").decode()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    assert "Host: localhost:4566\r\n" in opened("dynamodb://")._host.request(b"", "T").decode()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:8000")
    assert "Host: localhost:8000\r\n" in opened("dynamodb://eu-west-1")._host.request(b"", "T").decode()


def test_the_other_transport_is_selected_by_name() -> None:
    assert isinstance(opened("dynamodb://eu-west-1?transport=boto3"), Boto3Transport)


WRONG: dict[str, list[str]] = {
    "dynamodb://": ["/url"],
    "dynamodb://?transport=carrier-pigeon": ["/url", "/url/transport"],
    "dynamodb://eu-west-1?colour=red": ["/url/colour"],
    "dynamodb://eu-west-1?endpoint=localhost:8000": ["/url/endpoint"],
    "dynamodb://eu-west-1?endpoint=ftp://localhost": ["/url/endpoint"],
    "dynamodb://eu-west-1?endpoint=http://": ["/url/endpoint"],
    "dynamodb://eu-west-1?endpoint=http://localhost:port": ["/url/endpoint"],
    "dynamodb://eu-west-1?endpoint=http://localhost:99999": ["/url/endpoint"],
    "dynamodb://eu-west-1?endpoint=http://localhost/path": ["/url/endpoint"],
    "dynamodb://eu-west-1?endpoint=http://me:secret@localhost": ["/url/endpoint"],
    "dynamodb://eu-west-1?max_scan=many&index_attributes=0": ["/url/max_scan", "/url/index_attributes"],
    "dynamodb://eu-west-1?max_scan=-1&index_attributes=9": ["/url/max_scan", "/url/index_attributes"],
}


@pytest.mark.parametrize("url", WRONG)
def test_every_fault_of_a_url_is_listed(url: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        connect(url, app="a", stage="b")
    assert [fault.path for fault in caught.value.faults] == WRONG[url]


def test_numbers_of_a_url_bound_what_tables_do() -> None:
    usual = connect("dynamodb://eu-west-1", app="a", stage="b")
    assert (usual.options.max_scan, usual.options.index_attributes) == (10_000, 8)
    other = connect("dynamodb://eu-west-1?max_scan=0&index_attributes=2&transport=boto3", app="a", stage="b")
    assert (other.options.max_scan, other.options.index_attributes) == (0, 2)


def test_longer_indexes_than_the_engine_allows_are_made_of_their_first_attributes() -> None:
    index = Index("owner", "color", "count")
    assert [one["AttributeName"] for one in table_definitions.gsi(THING, index, Options())["KeySchema"]] == [
        "owner",
        "color",
        "count",
    ]
    assert table_definitions.gsi(THING, index, Options(index_attributes=2)) == {
        "IndexName": "by-owner-color-count",
        "KeySchema": [
            {"AttributeName": "owner", "KeyType": "HASH"},
            {"AttributeName": "color", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
    defined = [
        one["AttributeName"]
        for one in table_definitions.definitions(THING, WireCodec(THING), Options(index_attributes=1))
    ]
    assert defined == ["id", "level", "owner", "text"]


def test_credentials_of_the_environment_need_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_chain", lambda: pytest.fail("the chain was asked"))
    found = provider(AwsEnvironment(access_key_id="id", secret_access_key="secret", session_token="token"))
    assert found() == Credentials("id", "secret", "token")


def test_otherwise_credentials_are_read_from_botocores_chain_for_each_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = from file\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert provider(AwsEnvironment())() == Credentials("from file", "secret", None)


class Refreshing:
    """Credentials that change, and then cannot be refreshed."""

    def __init__(self, *given: Any) -> None:
        self._given = iter(given)

    def get_frozen_credentials(self) -> Any:
        one = next(self._given)
        if isinstance(one, Exception):
            raise one
        return one


def _session(found: Any) -> Callable[[], Any]:
    class Session:
        def get_credentials(self) -> Any:
            return found

    return Session


def test_refreshed_credentials_are_used_and_a_failed_refresh_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.credentials import ReadOnlyCredentials
    from botocore.exceptions import CredentialRetrievalError

    lost = CredentialRetrievalError(provider="sso", error_msg="expired")
    given = Refreshing(ReadOnlyCredentials("1", "s", "t"), ReadOnlyCredentials("2", "s", None), lost)
    monkeypatch.setattr("botocore.session.get_session", _session(given))
    current = provider(AwsEnvironment())
    assert [current().access_key_id, current().access_key_id] == ["1", "2"]
    with pytest.raises(BackendUnavailable):
        current()


def test_no_credentials_anywhere_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.get_session", _session(None))
    with pytest.raises(BackendUnavailable):
        provider(AwsEnvironment())
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.delattr("botocore.session")
    with pytest.raises(BackendUnavailable, match="not installed"):
        provider(AwsEnvironment())


@stored(name="grown")
class Before:
    id: str
    owner: str
    rank: int = 0


@stored(name="grown", indexes=[Index("owner", "rank"), Index("rank")])
class After:
    id: str
    owner: str
    rank: int = 0


@pytest.fixture
def url(moto_endpoint: str) -> str:
    return f"dynamodb://sa-east-1?endpoint={moto_endpoint}"


def test_a_table_has_the_key_and_indexes_of_its_declaration(url: str) -> None:
    found = connect(url, app="made", stage="test")
    found.prepare([THING, CELL])
    thing = found.transport.call("DescribeTable", {"TableName": "made-test-thing"})["Table"]
    assert thing["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert {one["IndexName"] for one in thing["GlobalSecondaryIndexes"]} == {one.name for one in THING.indexes}
    types = {one["AttributeName"]: one["AttributeType"] for one in thing["AttributeDefinitions"]}
    assert types == {
        "id": "S",
        "owner": "S",
        "at": "S",
        "color": "S",
        "count": "N",
        "text": "S",
        "price": "N",
        "level": "N",
    }
    cell = found.transport.call("DescribeTable", {"TableName": "made-test-cell"})["Table"]
    assert [one["AttributeName"] for one in cell["KeySchema"]] == ["sheet", "persisty_sort"]
    assert cell["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_preparing_again_adds_only_missing_indexes(url: str) -> None:
    before = App("grow", items=[Before], url=url, stage="test")
    before.prepare()
    before.store(Before).create({"id": "1", "owner": "me", "rank": 3})
    after = App("grow", items=[After], url=url, stage="test")
    assert [one.id for one in after.store(After).search(After.owner == "me")] == ["1"], "it reads the table"
    with pytest.raises(SchemaMismatch):
        after.store(After).search(After.rank == 3)
    for _ in "12":
        after.prepare()
        assert [one.id for one in after.store(After).search(After.owner == "me")] == ["1"]
        assert [one.id for one in after.store(After).search(After.rank == 3)] == ["1"]
    before.close()
    after.close()


def test_a_table_that_is_being_created_is_awaited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(engine, "sleep", waits.append)
    active = [{"IndexName": one.name, "IndexStatus": "ACTIVE"} for one in THING.indexes]
    making = [{**active[0], "IndexStatus": "CREATING"}, *active[1:]]
    states = [
        {"TableStatus": "CREATING", "GlobalSecondaryIndexes": active},
        {"TableStatus": "ACTIVE", "GlobalSecondaryIndexes": making},
        {"TableStatus": "ACTIVE", "GlobalSecondaryIndexes": active},
    ]

    key = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }

    class Making:
        def call(self, operation: str, payload: dict[str, Any], shape: Any = None, **options: Any) -> Any:
            if operation == "CreateTable":
                raise AwsError("ResourceInUseException", "", {})
            assert operation == "DescribeTable"
            state = states.pop(0) if len(states) > 1 else states[0]
            return {"Table": {**state, "TableName": payload["TableName"], **key}}

        def close(self) -> None: ...

    found = engine.DynamoDbEngine(Making(), "a", "b")
    found.prepare([THING])
    assert len(waits) == 2
    states[:] = [{"TableStatus": "CREATING"}]
    with pytest.raises(BackendUnavailable):
        found.prepare([THING])


def test_a_store_is_opened_without_a_call(url: str) -> None:
    app = App("lazy", items=[Thing], url="dynamodb://eu-west-1?endpoint=http://localhost:1", stage="test")
    assert context_of(app.store(Thing)).backend.meta is THING
    app.close()
