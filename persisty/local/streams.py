"""Delivers the records of tables' streams to the function that reads them, as an event source mapping of Lambda does.

Source: "Using AWS Lambda with Amazon DynamoDB" in the AWS Lambda Developer Guide.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Thread
from typing import Any

from ..deploy.events import BATCH, RETRIES
from .emulator import REGION, Emulator
from .functions import FunctionFailed

PAUSE, AGAIN = 0.15, 1.0
"""Seconds between two looks at a stream, and before a batch is delivered again."""

Deliver = Callable[[dict[str, Any]], Any]
"""(event) → the function's result."""


class Streams:
    """Reads the streams of `tables`, from now on, until it is closed. `log` prints a line."""

    def __init__(self, aws: Emulator, tables: Sequence[str], deliver: Deliver, log: Callable[[str], None]) -> None:
        self._deliver, self._log = deliver, log
        self._client, self._stop = aws.client("dynamodbstreams"), Event()
        dynamodb = aws.client("dynamodb")
        self._iterators: dict[str, str | None] = {}
        for table in tables:
            arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
            for shard in self._client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
                given = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "LATEST"}
                self._iterators[arn] = self._client.get_shard_iterator(**given)["ShardIterator"]
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the batch that is being delivered."""
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stop.wait(PAUSE):
            for arn, iterator in self._iterators.items():
                if iterator is not None:
                    found = self._client.get_records(ShardIterator=iterator, Limit=BATCH)
                    self._iterators[arn] = found.get("NextShardIterator")
                    if found["Records"]:
                        self._send([_record(one, arn) for one in found["Records"]])

    def _send(self, records: list[dict[str, Any]]) -> None:
        """Deliver records in order, and again from the first one that failed."""
        for _ in range(RETRIES + 1):
            try:
                answer = self._deliver({"Records": records}) or {}
            except FunctionFailed as error:
                self._log(f"Stream: {error.kind}: {error}")
            else:
                failed = {one.get("itemIdentifier") for one in answer.get("batchItemFailures") or ()}
                numbers = [one["dynamodb"]["SequenceNumber"] for one in records]
                first = next((place for place, number in enumerate(numbers) if number in failed), None)
                if first is None:
                    return
                records = records[first:]
            if self._stop.wait(AGAIN):
                return
        self._log(f"Stream: {len(records)} changes were not delivered")


def _record(record: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return a record as Lambda passes it."""
    converted: dict[str, Any] = _json_value(record)
    return {**converted, "awsRegion": REGION, "eventSourceARN": arn}


def _json_value(value: Any) -> Any:
    """Return a value with bytes as base64 and times as seconds."""
    match value:
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.timestamp()
        case dict():
            return {name: _json_value(one) for name, one in value.items()}
        case list() | set():
            return [_json_value(one) for one in value]
    return value
