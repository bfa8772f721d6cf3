"""Read the changes of a table from its stream, shard by shard, each record once.

A shard ends, and others continue it. A shard is read after its parents, so the records of one item are in order. When a stream is turned off, its open
shards end too: what is read until then is every change before.

Source: "Working with streams" in the Amazon DynamoDB Developer Guide, and `DescribeStream`, `GetShardIterator`, `GetRecords` in the API reference of the
streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from time import monotonic, sleep, time
from typing import Any

from ...errors import BackendUnavailable

Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""(operation, payload) → response."""
Records = Sequence[Mapping[str, Any]]
PAUSE = 0.2
"""Seconds before a shard without new records is read again."""
ENDING = 600.0
"""The most seconds until all shards of a stream that is turned off have ended."""


class TableStream:
    """The stream `arn`. `call`: calls an operation of DynamoDB Streams."""

    def __init__(self, call: Call, arn: str) -> None:
        self._call, self._arn = call, arn
        self._positions: dict[str, str] = {}
        """Shard → the number of its last record that was read."""
        self._ended = set[str]()

    def new(self, seconds: float | None = None) -> Iterator[Records]:
        """Yield the records since the last call, page by page, up to those of this moment: writers that are faster than the reader do not keep it. The first
        call begins at the oldest record. `seconds`: the most that is read, None without a limit."""
        now, until = time(), None if seconds is None else monotonic() + seconds

        def is_past(record: Mapping[str, Any]) -> bool:
            made = record["dynamodb"].get("ApproximateCreationDateTime", 0)
            made = made.timestamp() if isinstance(made, datetime) else made
            return made > now or (until is not None and monotonic() > until)

        for shard in self._shards():
            ends = "EndingSequenceNumber" in shard["SequenceNumberRange"]
            yield from self._read(shard["ShardId"], never if ends else is_past, waits=ends)

    def rest(self) -> Iterator[Records]:
        """Yield all records that are left, of a stream that is turned off."""
        until = monotonic() + ENDING
        while shards := [one for one in self._shards() if one["ShardId"] not in self._ended]:
            for shard in shards:
                yield from self._read(shard["ShardId"], never)
            if monotonic() > until:
                raise BackendUnavailable("The stream of the former table does not end: run the command again")
            sleep(PAUSE)

    def _shards(self) -> list[Mapping[str, Any]]:
        """Return the shards that the stream has, parents first."""
        found: list[Mapping[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            page = self._call("DescribeStream", {"StreamArn": self._arn, **start})["StreamDescription"]
            found += page.get("Shards", ())
            if not page.get("LastEvaluatedShardId"):
                break
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}
        parents = {one["ShardId"]: one.get("ParentShardId") for one in found}

        def depth(shard: str) -> int:
            parent = parents.get(shard)
            return 0 if parent not in parents else 1 + depth(str(parent))

        return sorted(found, key=lambda one: depth(one["ShardId"]))

    def _read(
        self, shard: str, is_past: Callable[[Mapping[str, Any]], bool], *, waits: bool = False
    ) -> Iterator[Records]:
        """Yield the records of a shard, up to a page whose last record `is_past`, or, unless it `waits` for the end of the shard, up to a page without records."""
        if shard in self._ended:
            return
        last = self._positions.get(shard)
        place = {"ShardIteratorType": "TRIM_HORIZON"}
        if last is not None:
            place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
        asked = {"StreamArn": self._arn, "ShardId": shard, **place}
        iterator = self._call("GetShardIterator", asked).get("ShardIterator")
        while iterator:
            page = self._call("GetRecords", {"ShardIterator": iterator})
            records, iterator = page["Records"], page.get("NextShardIterator")
            if records:
                yield records
                self._positions[shard] = records[-1]["dynamodb"]["SequenceNumber"]
                if iterator and is_past(records[-1]):
                    return
            elif iterator and not waits:
                return
        self._ended.add(shard)


def never(record: Mapping[str, Any]) -> bool:
    """Return False: a shard is read to its end."""
    return False
