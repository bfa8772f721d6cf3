"""Dead letters of a deployed stage: listed, shown, replayed and dropped with the account's own queue, function and stream."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from persisty import InvalidDeclaration, NotFound
from persisty.application.stream_events import dead_letter
from persisty.deploy.dead_letters import DeadLetters
from persisty.errors import BackendUnavailable
from persisty.naming import dead_letters_name
from tests.unit.cli.conftest import Persisty, persisty  # noqa: F401

REGION, FUNCTION = "eu-west-1", "shop-AfterParcel"
STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/parcels-prod-parcel/stream/1"


class Lambda:
    """A client of Lambda that records invocations."""

    def __init__(self) -> None:
        self.invoked: list[tuple[str, Any]] = []
        self.answer: dict[str, Any] = {"batchItemFailures": []}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        self.invoked.append((FunctionName, json.loads(Payload)))
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())}


class Session:
    """A session of boto3 with moto's queue, the streams of DynamoDB Local, and its own Lambda."""

    def __init__(self, queues: str, tables: str) -> None:
        self._queues, self._tables, self.functions = queues, tables, Lambda()

    def client(self, service: str, config: Any = None) -> Any:
        if service == "lambda":
            return self.functions
        endpoint = self._queues if service == "sqs" else self._tables
        return boto3.client(service, endpoint_url=endpoint, region_name=REGION)


@pytest.fixture
def session(moto_endpoint: str, local_endpoint: str) -> Iterator[Session]:
    found = Session(moto_endpoint, local_endpoint)
    queue = found.client("sqs").create_queue(QueueName=dead_letters_name("parcels", "prod"))["QueueUrl"]
    yield found
    found.client("sqs").delete_queue(QueueUrl=queue)


@pytest.fixture
def letters(session: Session, monkeypatch: pytest.MonkeyPatch) -> DeadLetters:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
    return DeadLetters("parcels", "prod", session)


def send(session: Session, message: Any) -> None:
    client = session.client("sqs")
    queue = client.get_queue_url(QueueName=dead_letters_name("parcels", "prod"))["QueueUrl"]
    client.send_message(QueueUrl=queue, MessageBody=json.dumps(message))


def record(number: int = 1, **images: Any) -> dict[str, Any]:
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventSourceARN": STREAM,
        "dynamodb": {"SequenceNumber": str(100 + number), **images},
    }


IMAGE = {"id": {"S": "a"}}


def given_up(number: int = 1, **images: Any) -> dict[str, Any]:
    return dead_letter(
        record(number, **images),
        "parcel",
        "a",
        ["mail"],
        9,
        'Traceback (most recent call last):\n  File "mail.py", line 1, in mail\nOSError: no mail',
    )


def test_letters_are_read_and_stay_until_they_are_replayed(session: Session, letters: DeadLetters) -> None:
    for number in range(12):
        send(session, given_up(number, NewImage=IMAGE))
    found = letters.read()
    assert len({one.id for one in found}) == 12
    assert {(one.store, one.kind, one.key, one.actions, one.attempts, one.function) for one in found} == {
        ("parcel", "created", "a", ("mail",), 9, FUNCTION)
    }
    letters.release(found)
    assert len(letters.read()) == 12


def test_a_replay_calls_the_function_for_the_action_alone_and_deletes_the_message(
    session: Session, letters: DeadLetters
) -> None:
    send(session, given_up(NewImage=IMAGE))
    [letter] = letters.read()
    letters.replay(letter)
    assert session.functions.invoked == [
        (FUNCTION, {"Records": [record(NewImage=IMAGE)], "actions": ["mail"]}),
    ]
    assert letters.read() == []


def test_a_letter_that_the_function_does_not_handle_stays(session: Session, letters: DeadLetters) -> None:
    send(session, given_up(NewImage=IMAGE))
    session.functions.answer = {"batchItemFailures": [{"itemIdentifier": "101"}]}
    [letter] = letters.read()
    with pytest.raises(BackendUnavailable, match=FUNCTION):
        letters.replay(letter)
    letters.release([letter])
    assert len(letters.read()) == 1


@pytest.fixture
def stream(session: Session) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The ARN of a real stream, and its records."""
    client = session.client("dynamodb")
    table = {
        "TableName": "parcels-prod-parcel",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }
    arn = client.create_table(**table)["TableDescription"]["LatestStreamArn"]
    for key in "abcd":
        client.put_item(TableName=table["TableName"], Item={"id": {"S": key}, "data": {"B": b"\1"}})
    streams = session.client("dynamodbstreams")
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
    yield arn, [{**one, "shard": shard["ShardId"]} for one in records]
    client.delete_table(TableName=table["TableName"])


def test_a_letter_of_lambda_is_replayed_from_the_stream(
    session: Session, letters: DeadLetters, stream: tuple[str, list[dict[str, Any]]]
) -> None:
    arn, records = stream
    first, last = (records[place]["dynamodb"]["SequenceNumber"] for place in (1, 2))
    send(
        session,
        {
            "requestContext": {
                "requestId": "r1", "functionArn": FUNCTION, "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 9,
            },
            "DDBStreamBatchInfo": {
                "shardId": records[0]["shard"], "startSequenceNumber": first, "endSequenceNumber": last,
                "batchSize": 2, "streamArn": arn,
            },
        },
    )  # fmt: skip
    [letter] = letters.read()
    assert (letter.store, letter.key, letter.reason) == ("parcels-prod-parcel", "2 records", "RetryAttemptsExhausted")
    letters.replay(letter)
    [(name, event)] = session.functions.invoked
    assert name == FUNCTION
    assert [one["dynamodb"]["Keys"]["id"]["S"] for one in event["Records"]] == ["b", "c"]
    assert {one["eventSourceARN"] for one in event["Records"]} == {arn}
    assert event["Records"][0]["dynamodb"]["NewImage"]["data"] == {"B": "AQ=="}
    assert "actions" not in event


def test_a_letter_without_images_is_replayed_from_the_stream_while_it_has_them(
    session: Session, letters: DeadLetters, stream: tuple[str, list[dict[str, Any]]]
) -> None:
    arn, records = stream
    number = records[1]["dynamodb"]["SequenceNumber"]
    for place, sequence in ((arn, number), (arn, "1")):
        message = given_up()
        message["record"] = {**message["record"], "eventSourceARN": place, "dynamodb": {"SequenceNumber": sequence}}
        send(session, message)
    found = sorted(letters.read(), key=lambda one: one.body["record"]["dynamodb"]["SequenceNumber"] != number)
    letters.replay(found[0])
    [(_, event)] = session.functions.invoked
    assert [one["dynamodb"]["Keys"]["id"]["S"] for one in event["Records"]] == ["b"]
    with pytest.raises(NotFound, match="has them for a day"):
        letters.replay(found[1])


FIRE = {"action": "purge", "time": "2027-03-01T02:30:00Z", "function": FUNCTION}


@pytest.mark.parametrize(
    "message",
    [
        {"id": "1f", "store": "", "kind": "timer", "key": "purge@2027-03-01T02:30:00Z", "actions": ["purge"], "attempts": 9, "reason": "ValueError", "function": FUNCTION, "event": FIRE},
        {"requestContext": {"requestId": "1f", "functionArn": FUNCTION, "condition": "RetriesExhausted", "approximateInvokeCount": 3}, "requestPayload": FIRE},
        FIRE,
    ],
    ids=["of the function", "of Lambda", "of Scheduler"],
)  # fmt: skip
def test_a_fire_of_a_timer_is_replayed_with_its_time(
    session: Session, letters: DeadLetters, message: dict[str, Any]
) -> None:
    send(session, message)
    session.functions.answer = {}
    [letter] = letters.read()
    assert (letter.kind, letter.key, letter.actions) == ("timer", "purge@2027-03-01T02:30:00Z", ("purge",))
    letters.replay(letter)
    assert session.functions.invoked == [(FUNCTION, FIRE)]
    assert letters.read() == []


def test_a_stage_without_a_queue_is_named(session: Session) -> None:
    with pytest.raises(InvalidDeclaration, match="parcels is not deployed in nowhere"):
        DeadLetters("parcels", "nowhere", session)


def test_the_command_lists_shows_replays_and_drops(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    persisty: Persisty,  # noqa: F811
) -> None:
    monkeypatch.setattr(boto3, "Session", lambda profile_name=None: session)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
    for number in range(3):
        send(session, given_up(number, NewImage=IMAGE))
    ids = [given_up(number)["id"] for number in range(3)]

    def run(*words: str) -> tuple[int, str]:
        done = persisty("events", *words, "--app", "tests.parcels:app", "--stage", "prod")
        return done.code, done.out + done.err

    code, output = run("list")
    assert code == 0
    assert all(one[:8] in output for one in ids)
    assert "OSError: no mail" in output
    assert "3 given up" in output
    code, output = run("show", ids[0][:8])
    assert code == 0
    assert '{"id":{"S":"a"}}' in output
    assert run("replay", ids[0]) == (0, "1 event replayed\n")
    code, output = run("drop", "ffffffff", ids[1])
    assert code == 1
    assert "1 event dropped" in output
    assert "There is no dead letter ffffffff" in output
    assert run("list", "--store", "other")[1].endswith("0 given up\n")
    assert run("drop", "all")[1] == "1 event dropped\n"
    assert run("list")[1].endswith("0 given up\n")
    assert run("replay")[0] == 2
