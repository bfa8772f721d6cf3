"""Define the keys and the indexes of a table, as CreateTable and UpdateTable expect them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.stored_names import stored_index, stored_names_of
from .backend import Options
from .codec import WireCodec


def definitions(meta: StoreMeta[Any], codec: WireCodec, options: Options) -> list[dict[str, str]]:
    """Return the attributes of the keys of a table and its indexes, with their types."""
    indexed = (name for index in meta.indexes for name in index.attributes[: options.index_attributes])
    used = {*codec.schema, *indexed}
    found = [{"AttributeName": codec.stored.get(name, name), "AttributeType": codec.tag(name)} for name in sorted(used)]
    return sorted(found, key=itemgetter("AttributeName"))


def gsi(meta: StoreMeta[Any], index: Index, options: Options) -> dict[str, Any]:
    """Return the definition of an index with its key. It contains all attributes of the items."""
    stored = [stored_names_of(meta)[name] for name in index.attributes]
    return {
        "IndexName": stored_index(meta, index),
        "KeySchema": key_schema(stored[: options.index_attributes]),
        "Projection": {"ProjectionType": "ALL"},
    }


def key_schema(names: Sequence[str]) -> list[dict[str, str]]:
    """Return the key of a table or an index: the first attribute is the partition key, the others are sort keys."""
    return [{"AttributeName": name, "KeyType": "RANGE" if position else "HASH"} for position, name in enumerate(names)]


def index_names(table: Mapping[str, Any]) -> set[str]:
    """Return the names of the indexes of a described table."""
    return {one["IndexName"] for one in table.get("GlobalSecondaryIndexes", ())}


def expire(call: Callable[[str, dict[str, Any]], Mapping[str, Any]], name: str, attribute: str) -> None:
    """Turn on DynamoDB's deletion of expired items in a table."""
    status = call("DescribeTimeToLive", {"TableName": name})["TimeToLiveDescription"]["TimeToLiveStatus"]
    if status not in ("ENABLED", "ENABLING"):
        specification = {"AttributeName": attribute, "Enabled": True}
        call("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": specification})
