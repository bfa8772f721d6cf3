"""Reading the stream of a table: each record once, parents first, and to its end when it is turned off."""

from __future__ import annotations

from time import time
from typing import Any

import pytest

from persisty.backends.dynamodb import table_stream
from persisty.backends.dynamodb.table_stream import TableStream

PAGE = 2


class Stream:
    """A stream with shards of numbered records. `ended`: the shards that get no more records. `parents`: shard → the one that it continues."""

    def __init__(self, shards: dict[str, list[int]], ended: set[str], parents: dict[str, str]) -> None:
        self.shards, self.ended, self.parents = shards, ended, parents
        self.live = False
        """Whether each read finds a new record."""

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self, operation)(payload)
        return answer

    def DescribeStream(self, payload: dict[str, Any]) -> dict[str, Any]:
        names = [*self.shards]
        at = names.index(payload["ExclusiveStartShardId"]) + 1 if "ExclusiveStartShardId" in payload else 0
        shard = names[at]
        described = {
            "ShardId": shard,
            "ParentShardId": self.parents.get(shard),
            "SequenceNumberRange": {"EndingSequenceNumber": "9"} if shard in self.ended else {},
        }
        more = {"LastEvaluatedShardId": shard} if at + 1 < len(names) else {}
        return {"StreamDescription": {"Shards": [described], **more}}

    def GetShardIterator(self, payload: dict[str, Any]) -> dict[str, Any]:
        after = payload.get("SequenceNumber", "0")
        assert (payload["ShardIteratorType"] == "TRIM_HORIZON") == (after == "0")
        return {"ShardIterator": f"{payload['ShardId']}/{after}"}

    def GetRecords(self, payload: dict[str, Any]) -> dict[str, Any]:
        shard, _, after = payload["ShardIterator"].partition("/")
        if self.live:
            self.shards[shard].append(self.shards[shard][-1] + 1)
        numbers = [one for one in self.shards[shard] if one > int(after)]
        some = numbers[:PAGE]
        records = [
            {"dynamodb": {"SequenceNumber": str(one), "ApproximateCreationDateTime": time() + self.live}}
            for one in some
        ]
        following = f"{shard}/{some[-1] if some else after}"
        is_over = shard in self.ended and len(some) == len(numbers)
        return {"Records": records, **({} if is_over else {"NextShardIterator": following})}


@pytest.fixture
def stream() -> Stream:
    return Stream({"child": [5, 6], "other": [3], "parent": [1, 2, 4]}, {"parent"}, {"child": "parent"})


def numbers(pages: Any) -> list[int]:
    return [int(one["dynamodb"]["SequenceNumber"]) for page in pages for one in page]


def test_each_record_is_read_once_and_parents_before_what_continues_them(stream: Stream) -> None:
    read = TableStream(stream.call, "arn")
    found = numbers(read.new())
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert found.index(4) < found.index(5)
    assert numbers(read.new()) == []
    stream.shards["child"].append(7)
    stream.shards["grandchild"] = [8]
    stream.parents["grandchild"] = "child"
    assert numbers(read.new()) == [7, 8]


def test_writers_that_are_faster_do_not_keep_the_reader(stream: Stream) -> None:
    stream.live = True
    read = TableStream(stream.call, "arn")
    assert len(numbers(read.new())) < 20
    assert len(numbers(read.new(0))) < 20


def test_a_stream_that_is_turned_off_is_read_to_its_end(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_stream, "PAUSE", 0)
    read = TableStream(stream.call, "arn")
    list(read.new())
    stream.shards["other"] += [9, 10, 11]
    stream.ended |= {*stream.shards}
    assert numbers(read.rest()) == [9, 10, 11]
    assert numbers(read.rest()) == []
