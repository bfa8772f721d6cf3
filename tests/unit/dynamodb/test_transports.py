"""Both transports give the same answers and the same errors: both run one script of calls, each in its own region."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from moto import mock_aws

from persisty.aws.retries import AwsError
from persisty.aws.sigv4 import Credentials
from persisty.backends.dynamodb.boto3_transport import Boto3Transport
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.direct_transport import DirectTransport
from persisty.backends.dynamodb.engine import connect
from persisty.backends.dynamodb.transport import Transport
from persisty.errors import BackendUnavailable, Throttled

from .items import THING, Thing
from .scripted import answer, refusal, scripted

TABLE: dict[str, Any] = {
    "TableName": "things",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "rank", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "rank", "KeyType": "RANGE"}],
}
ITEM: dict[str, Any] = {"id": {"S": "ä\0"}, "rank": {"N": "1"}, "B": {"B": "AP8="}, "text": {"S": "AP8="}}
KEY = {name: ITEM[name] for name in ("id", "rank")}
PUT: dict[str, Any] = {"TableName": "things", "Item": ITEM}
FAILING: dict[str, Any] = {
    "ConditionExpression": "attribute_not_exists(id)",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}

SCRIPT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("PutItem", PUT),
    ("GetItem", {"TableName": "things", "Key": KEY}),
    ("GetItem", {"TableName": "things", "Key": {**KEY, "rank": {"N": "2"}}}),
    ("PutItem", {**PUT, **FAILING}),
    (
        "UpdateItem",
        {
            "TableName": "things",
            "Key": KEY,
            "UpdateExpression": "SET #b = :b ADD n :n",
            "ExpressionAttributeNames": {"#b": "B"},
            "ExpressionAttributeValues": {":b": {"B": "/w=="}, ":n": {"N": "5"}},
            "ReturnValues": "ALL_NEW",
        },
    ),
    *[("PutItem", {"TableName": "things", "Item": {"id": {"S": "p"}, "rank": {"N": f"{n}"}}}) for n in range(5)],
    (
        "Query",
        {
            "TableName": "things",
            "KeyConditionExpression": "id = :p",
            "ExpressionAttributeValues": {":p": {"S": "p"}},
            "Limit": 2,
        },
    ),
    ("Scan", {"TableName": "things", "FilterExpression": "#b = :b", "ExpressionAttributeNames": {"#b": "B"}, "ExpressionAttributeValues": {":b": {"B": "/w=="}}}),
    ("Scan", {"TableName": "things", "Select": "COUNT"}),
    ("BatchGetItem", {"RequestItems": {"things": {"Keys": [KEY], "ConsistentRead": True}}}),
    ("TransactWriteItems", {"TransactItems": [{"Delete": {"TableName": "things", "Key": {**KEY, "rank": {"N": "9"}}}}]}),
    (
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Delete": {"TableName": "things", "Key": {**KEY, "rank": {"N": "8"}}}},
                {"Put": {**PUT, **FAILING}},
            ]
        },
    ),
    ("DeleteItem", {"TableName": "things", "Key": KEY, "ReturnValues": "ALL_OLD"}),
    ("GetItem", {"TableName": "absent", "Key": KEY}),
    ("CreateTable", TABLE),
    ("Query", {"TableName": "things", "KeyConditionExpression": "nonsense ="}),
    ("PutItem", {"TableName": "things", "Item": {"id": {"S": "x" * 3000}, "rank": {"N": "1"}}}),
    ("PutItem", {"TableName": "things", "Item": {"id": {"S": "x"}}}),
)  # fmt: skip


def outcome_of(transport: Transport, operation: str, payload: dict[str, Any]) -> Any:
    """Return the response, or the visible parts of the error."""
    try:
        return transport.call(operation, payload)
    except AwsError as error:
        reasons = error.body.get("CancellationReasons")
        return (error.kind, error.message, error.body.get("Item"), reasons, error.in_doubt)


def test_the_same_calls_have_the_same_answers_and_errors(moto_endpoint: str) -> None:
    direct = DirectTransport(moto_endpoint, "eu-west-1", lambda: Credentials("testing", "testing"))
    boto3 = Boto3Transport(moto_endpoint, "eu-west-2")
    for transport in (direct, boto3):
        transport.call("CreateTable", TABLE)
    answers = [outcome_of(direct, operation, payload) for operation, payload in SCRIPT]
    assert answers == [outcome_of(boto3, operation, payload) for operation, payload in SCRIPT]
    kinds = [one[0] for one in answers if isinstance(one, tuple)]
    assert kinds == [
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
        "ResourceNotFoundException",
        "ResourceInUseException",
        "ValidationException",
        "ValidationException",
        "ValidationException",
    ]
    assert answers[1] == {"Item": ITEM}
    assert answers[3][2] == ITEM
    assert answers[4]["Attributes"]["B"] == {"B": "/w=="}


def test_a_response_has_the_requested_shape(moto_endpoint: str) -> None:
    codec = WireCodec(THING)
    item = Thing(
        id="1", owner="", at=datetime(2026, 1, 1, tzinfo=UTC), blob=b"\0\xff", ref=UUID(int=1), day=date(1, 2, 3)
    )
    for kind, region in (("direct", "eu-north-1"), ("boto3", "eu-south-1")):
        engine = connect(f"dynamodb://{region}?endpoint={moto_endpoint}&transport={kind}", app="shape", stage="test")
        engine.prepare([THING])
        engine.transport.call("PutItem", {"TableName": "shape-test-thing", "Item": codec.wire(item)})
        key = {"TableName": "shape-test-thing", "Key": {"id": {"S": "1"}}}
        assert codec.item(engine.transport.call("GetItem", key, codec.got).Item) == item
        assert engine.transport.call("GetItem", {**key, "Key": {"id": {"S": "2"}}}, codec.got).Item is None
        [row] = engine.transport.call("Scan", {"TableName": "shape-test-thing"}, codec.found).Items
        assert codec.item(row) == item
        engine.close()


@pytest.mark.parametrize("kind", ["direct", "boto3"])
def test_a_throttle_that_stays_and_a_server_that_fails_are_the_same_errors(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persisty.aws.retries.sleep", lambda _: None)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    for fault, expected in (
        (refusal("ProvisionedThroughputExceededException"), Throttled),
        (refusal("InternalServerError", status=500), BackendUnavailable),
        (answer(b"<html>", 503), BackendUnavailable),
    ):
        with scripted(*[fault] * 20) as server:
            url = f"dynamodb://eu-west-1?endpoint={server.endpoint}&transport={kind}"
            engine = connect(url, app="a", stage="b")
            with pytest.raises(expected):
                engine.transport.call("GetItem", {"TableName": "things", "Key": KEY})
            assert len(server.requests) == 5
            engine.close()


@pytest.mark.parametrize("kind", ["direct", "boto3"])
def test_a_refusal_after_a_fault_is_in_doubt_with_both_clients(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persisty.aws.retries.sleep", lambda _: None)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    fault = refusal("InternalServerError", status=500)
    with scripted(fault, refusal("ConditionalCheckFailedException", Item=ITEM)) as server:
        engine = connect(f"dynamodb://eu-west-1?endpoint={server.endpoint}&transport={kind}", app="a", stage="b")
        with pytest.raises(AwsError) as caught:
            engine.transport.call("PutItem", PUT)
        assert caught.value.in_doubt
        assert caught.value.body["Item"] == ITEM
        engine.close()


def test_the_client_works_inside_mock_aws() -> None:
    with mock_aws():
        transport = Boto3Transport(None, "us-east-1")
        transport.call("CreateTable", TABLE)
        transport.call("PutItem", PUT)
        assert transport.call("GetItem", {"TableName": "things", "Key": KEY}) == {"Item": ITEM}
        transport.close()
