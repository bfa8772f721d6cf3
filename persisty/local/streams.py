"""Delivers the records of tables' streams to the functions that read them, as an event source mapping of Lambda does.

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
from .stream_mappings import StreamMapping, matches

PAUSE, AGAIN = 0.15, 1.0
"""Seconds between two looks at a stream, and before a batch is delivered again."""

Deliver = Callable[[str, dict[str, Any]], Any]
"""(logical id of a function, event) → the function's result."""


class Streams:
    """Reads streams from now on, until it is closed: each for each of its functions, so that none waits for another. `log` prints a line."""

    def __init__(
        self, aws: Emulator, mappings: Sequence[StreamMapping], deliver: Deliver, log: Callable[[str], None]
    ) -> None:
        self._deliver, self._log, self._stop = deliver, log, Event()
        dynamodb, streams = aws.client("dynamodb"), aws.client("dynamodbstreams")
        arns = {
            table: dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
            for table in {one.table for one in mappings}
        }
        found = [(one, arns[one.table], _latest(streams, arns[one.table])) for one in mappings]
        self._threads = [
            Thread(target=self._read, args=(aws.client("dynamodbstreams"), *given), daemon=True) for given in found
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop after the batches that are being delivered."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, client: Any, mapping: StreamMapping, arn: str, iterators: list[str | None]) -> None:
        while not self._stop.wait(PAUSE):
            for place, iterator in enumerate(iterators):
                if iterator is None:
                    continue
                found = client.get_records(ShardIterator=iterator, Limit=BATCH)
                iterators[place] = found.get("NextShardIterator")
                records = [_record(one, arn) for one in found["Records"]]
                if mapping.patterns:
                    records = [one for one in records if any(matches(one, pattern) for pattern in mapping.patterns)]
                if records:
                    self._send(mapping.function, records)

    def _send(self, function: str, records: list[dict[str, Any]]) -> None:
        """Deliver records in order, and again from the first one that failed."""
        for _ in range(RETRIES + 1):
            try:
                answer = self._deliver(function, {"Records": records}) or {}
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


def _latest(client: Any, arn: str) -> list[str | None]:
    """Return iterators over the later records of each shard."""
    shards = client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    return [
        client.get_shard_iterator(StreamArn=arn, ShardId=one["ShardId"], ShardIteratorType="LATEST")["ShardIterator"]
        for one in shards
    ]


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
