"""The dead letters of a deployed stage: events of after triggers that were given up, read from their queue, handled again, or deleted.

A message of a function has the record of its event, or the time of a timer. A message of Lambda, for a batch that ended the function, names a range of records, which the
stream has for a day. Lambda and EventBridge Scheduler also send the fires of timers that ended the function, or that could not invoke it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ..drivers import driver
from ..errors import BackendUnavailable, InvalidDeclaration, NotFound
from ..naming import dead_letters_name

HIDDEN = 60
"""Seconds for which a message that was read is hidden from other readers."""
PAGE = 10
"""Most messages of a request."""
HANDLING = 900
"""Seconds of an invocation: the maximum of Lambda."""
RANGE = "DDBStreamBatchInfo"
"""The member of Lambda's messages with the range of records. Source: "Retain discarded batches for a DynamoDB event source" in the AWS Lambda Developer Guide."""


class DeadLetter(Struct, frozen=True):
    """An event that was given up, or, in a message of Lambda, a batch of them. `body`: the message. `receipt`: allows to delete it."""

    id: str
    store: str
    kind: str
    key: str
    actions: tuple[str, ...]
    attempts: int
    reason: str
    function: str
    body: Mapping[str, Any]
    receipt: str


class DeadLetters:
    """The dead letters of a stage. `session`: a session of boto3. `InvalidDeclaration` if the stage has no queue of them."""

    def __init__(self, app: str, stage: str, session: Any) -> None:
        self._sqs, self._session = session.client("sqs"), session
        name = dead_letters_name(app, stage)
        try:
            self._url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            raise InvalidDeclaration(
                f"There is no queue {name}: {app} is not deployed in {stage} with after triggers"
            ) from None

    def read(self) -> list[DeadLetter]:
        """Return all dead letters that no other reader has at the moment. Call `release` for those that stay."""
        found: dict[str, DeadLetter] = {}
        while True:
            page = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=PAGE, VisibilityTimeout=HIDDEN, WaitTimeSeconds=1
            ).get("Messages", [])
            if not page:
                return list(found.values())
            for one in page:
                found[one["MessageId"]] = _letter(one["Body"], one["ReceiptHandle"])

    def release(self, letters: Sequence[DeadLetter]) -> None:
        """Show messages to other readers again."""
        for one in letters:
            self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=one.receipt, VisibilityTimeout=0)

    def drop(self, letter: DeadLetter) -> None:
        """Delete a message."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)

    def replay(self, letter: DeadLetter) -> None:
        """Call the handlers again, and delete the message. An event that fails again is a new message.

        `NotFound` if the stream no longer has the records, `BackendUnavailable` if the function cannot handle them. The message then stays.
        """
        seconds = HANDLING + HIDDEN
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=seconds)
        event = _event(letter) or self._of_records(letter)
        patient = driver("botocore.config").Config(read_timeout=HANDLING, retries={"max_attempts": 0})
        answer = self._session.client("lambda", config=patient).invoke(
            FunctionName=letter.function, Payload=msgspec.json.encode(event)
        )
        result = msgspec.json.decode(answer["Payload"].read() or b"null") or {}
        if answer.get("FunctionError") or result.get("batchItemFailures"):
            raise BackendUnavailable(f"{letter.function} has not handled {letter.id}: see its log")
        self.drop(letter)

    def _of_records(self, letter: DeadLetter) -> Mapping[str, Any]:
        """Return the event of a function that reads a stream."""
        return {
            "Records": list(self._records(letter)),
            **({"actions": list(letter.actions)} if letter.actions else {}),
        }

    def _records(self, letter: DeadLetter) -> Iterator[Mapping[str, Any]]:
        """Yield the records of a message: from the message, or else from the stream."""
        record = letter.body.get("record")
        if record is not None and {"NewImage", "OldImage"} & record["dynamodb"].keys():
            yield record
            return
        if record is not None:
            number = record["dynamodb"]["SequenceNumber"]
            place = (record["eventSourceARN"], None, number, number)
        else:
            of = letter.body[RANGE]
            place = (of["streamArn"], of["shardId"], of["startSequenceNumber"], of["endSequenceNumber"])
        found = list(_read(self._session.client("dynamodbstreams"), *place))
        if not found:
            raise NotFound(f"The stream no longer has the records of {letter.id}: it has them for a day")
        yield from found


def _read(client: Any, arn: str, shard: str | None, first: str, last: str) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a stream with these numbers. `shard`: None if it is not known."""
    gone = (client.exceptions.TrimmedDataAccessException, client.exceptions.ResourceNotFoundException)
    try:
        name = shard or _shard_of(client, arn, int(first))
        if name is None:
            return
        place = {"StreamArn": arn, "ShardId": name, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first}
        iterator = client.get_shard_iterator(**place)["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                number = int(record["dynamodb"]["SequenceNumber"])
                if number <= int(last):
                    yield {**_as_json(record), "eventSourceARN": arn}
                if number >= int(last):
                    return
            iterator = page.get("NextShardIterator") if page["Records"] else None
    except gone:
        return


def _shard_of(client: Any, arn: str, number: int) -> str | None:
    """Return the shard that has the record with a number, None if the stream no longer has it."""
    start: dict[str, str] = {}
    while True:
        page = client.describe_stream(StreamArn=arn, **start)["StreamDescription"]
        for one in page["Shards"]:
            of = one["SequenceNumberRange"]
            if int(of["StartingSequenceNumber"]) <= number <= int(of.get("EndingSequenceNumber", number)):
                name: str = one["ShardId"]
                return name
        if not page.get("LastEvaluatedShardId"):
            return None
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def _as_json(value: Any) -> Any:
    """Return a value of boto3 as Lambda passes it: times as seconds, bytes as base64."""
    if isinstance(value, Mapping):
        return {name: _as_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    return value.timestamp() if hasattr(value, "timestamp") else msgspec.to_builtins(value)


def _event(letter: DeadLetter) -> Mapping[str, Any] | None:
    """Return the event with which the function is invoked again, None if it is a batch of records."""
    body = letter.body
    found: Mapping[str, Any] | None = (
        body.get("event") or body.get("requestPayload") or (body if "time" in body else None)
    )
    return found


def _letter(text: str, receipt: str) -> DeadLetter:
    body = msgspec.json.decode(text)
    request = body.get("requestContext", {})
    function = request.get("functionArn") or body.get("function") or ""
    attempts = request.get("approximateInvokeCount", 0)
    if RANGE in body:
        of = body[RANGE]
        return DeadLetter(
            request["requestId"], of["streamArn"].split("/")[1], "", f"{of['batchSize']} records", (), attempts,
            request["condition"], function, body, receipt,
        )  # fmt: skip
    if (timer := body.get("requestPayload") or body).keys() >= {"action", "time"}:
        id_ = request.get("requestId") or f"{timer['action']}@{timer['time']}"
        reason = request.get("condition", "The function could not be invoked")
        key = f"{timer['action']}@{timer['time']}"
        return DeadLetter(id_, "", "timer", key, (timer["action"],), attempts, reason, function, body, receipt)
    return DeadLetter(
        body["id"], body["store"], body["kind"] or "", body["key"] or "", tuple(body["actions"]), body["attempts"],
        body["reason"], function, body, receipt,
    )  # fmt: skip
