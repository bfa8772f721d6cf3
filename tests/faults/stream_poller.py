"""An event source mapping of Lambda, over the real streams of DynamoDB Local: it invokes the code of a deployed function in a process of its own.

Records are delivered in order for each shard. A batch whose process has ended is delivered again, its first half first. After a partial failure, the rest
follows from the record that failed.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from persisty.deploy.resources import Plan
from persisty.local.stream_mappings import matches
from stacks.constructs.code import dependency_layer, function_code, runtime_layer
from stacks.constructs.target import Target
from tests.e2e.lambda_process import LambdaProcess, ProcessEnded

REGION = "us-east-1"
HANDLER = "persisty_lambdas.after.handler"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION}


def unpacked(plan: Plan, spec: str, layers: Sequence[str], folder: Path) -> Path:
    """Write the code and the layers of a function as they are deployed: `task/` and `opt/`."""
    target = Target.parse("local")
    shutil.copytree(function_code(plan, target), folder / "task")
    for layer in [runtime_layer(target), *(dependency_layer(name, spec, target) for name in layers)]:
        shutil.copytree(layer, folder / "opt", dirs_exist_ok=True)
    return folder


class Poller:
    """Delivers the stream of a table to a function. `invocations` counts them. `variables`: of the function, besides those of AWS."""

    def __init__(
        self,
        endpoint: str,
        table: str,
        folder: Path,
        variables: Mapping[str, str],
        patterns: Sequence[str] = (),
        batch: int = 100,
    ) -> None:
        self._streams = boto3.client(
            "dynamodbstreams",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        self._table, self._folder, self._batch = table, folder, batch
        self._variables = {**CREDENTIALS, "AWS_ENDPOINT_URL_DYNAMODB": endpoint, **variables}
        self._patterns = [json.loads(one) for one in patterns]
        self._stop = threading.Event()
        self._process: LambdaProcess | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.invocations = self.delivered = self.ended = 0
        self.idle = threading.Event()
        """Set while all records were delivered."""

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if self._process is not None:
            self._process.close()

    def kill(self) -> None:
        """Kill the process of the function, whatever it does."""
        if self._process is not None:
            self._process.kill()

    def invoke(self, event: dict[str, Any]) -> Any:
        """Invoke the function. `ProcessEnded` if its process ends."""
        if self._process is None:
            self._process = LambdaProcess(self._folder, HANDLER, self._variables)
        try:
            return self._process.invoke(event)
        except ProcessEnded:
            self.ended += 1
            self._process.close()
            self._process = None
            raise

    def drain(self, seconds: float = 60.0) -> bool:
        """Wait until all records so far are delivered. Return whether they are in time."""
        until = time.monotonic() + seconds
        self.idle.clear()
        while time.monotonic() < until:
            if self.idle.wait(0.1):
                return True
        return False

    def _run(self) -> None:
        [stream] = self._streams.list_streams(TableName=self._table)["Streams"]
        arn = stream["StreamArn"]
        [shard] = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self._streams.get_shard_iterator(**place)["ShardIterator"]
        while not self._stop.is_set():
            page = self._streams.get_records(ShardIterator=iterator, Limit=self._batch)
            iterator = page["NextShardIterator"]
            records = [_as_json({**one, "eventSourceARN": arn}) for one in page["Records"]]
            if self._patterns:
                records = [one for one in records if any(matches(one, pattern) for pattern in self._patterns)]
            if records:
                self.delivered += len(records)
                self._deliver(records)
            elif not page["Records"]:
                self.idle.set()
                self._stop.wait(0.05)

    def _deliver(self, records: list[dict[str, Any]]) -> None:
        while records and not self._stop.is_set():
            self.invocations += 1
            try:
                answer = self.invoke({"Records": records})
            except ProcessEnded:
                if len(records) > 1:
                    half = len(records) // 2
                    self._deliver(records[:half])
                    records = records[half:]
                continue
            failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
            numbers = [one["dynamodb"]["SequenceNumber"] for one in records]
            records = records[min(map(numbers.index, failed)) :] if failed else []


def _as_json(value: Any) -> Any:
    """Return a record as Lambda passes it: bytes as base64, times as seconds."""
    match value:
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.timestamp()
        case dict():
            return {name: _as_json(one) for name, one in value.items()}
        case list():
            return [_as_json(one) for one in value]
    return value
