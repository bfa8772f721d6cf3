"""Complete the items of a table before an index is created.

An index contains only items that have all its attributes. Items stored before such an attribute was declared therefore get its default first
(see `model.missing_values`); otherwise a query of the index would not find them. An optional attribute without an index may also be a NULL, which
no index takes. Such NULLs are removed after all items that lack the attribute have its default, and after the record of the schema says that the attribute
is None where it is absent (see `store.absent_nulls`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.missing_values import late_indexes, value_before
from ...model.stored_names import stored_index
from ...store.backend import AbsentNulls
from ...store.migration import Report
from .codec import WireCodec
from .parallel import in_parallel
from .resumable_scans import Call, ResumableScans
from .table_definitions import index_names
from .wire_kinds import NULL, Wire


def complete(
    call: Call,
    table: Mapping[str, Any],
    meta: StoreMeta[Any],
    index: Index,
    nulls: AbsentNulls | None,
    report: Report | None = None,
) -> None:
    """Give the items the values that they lack for an index. `table`: the description of the table without the index."""
    scans, codec = ResumableScans(call, report or Report(lambda items: None)), WireCodec(meta)
    indexed = {key["AttributeName"] for one in table.get("GlobalSecondaryIndexes", ()) for key in one["KeySchema"]}
    name, optional = table["TableName"], list[str]()
    for attribute in index.attributes:
        declared = meta.attributes[attribute]
        value = value_before(declared)
        if attribute in meta.key.attributes or value is None:
            continue
        if declared.optional:
            if codec.stored[attribute] in indexed:
                continue  # an absent attribute is null
            optional.append(attribute)
        if declared.optional and nulls is not None and nulls.is_null(meta, attribute):
            scans.skip()
            continue
        wire = codec.value(attribute, value())
        _change(call, scans, name, codec, attribute, "attribute_not_exists(#0)", "SET #0 = :0", wire)
    for attribute in optional:
        note = partial(nulls.note, meta, attribute) if nulls is not None else None
        _change(call, scans, name, codec, attribute, "#0 = :0", "REMOVE #0", NULL, note)


def complete_late(
    call: Call,
    described: Callable[[], Mapping[str, Any]],
    meta: StoreMeta[Any],
    late: Collection[Index],
    limit: int,
    nulls: AbsentNulls | None,
) -> None:
    """Complete the items of the `late` indexes, which a deployment has added: CloudFormation builds an index of the items as they are. An index with another
    number of items than the table is completed too, if it misses one of the first `limit` items. `described`: returns the description of the table."""
    if not late_indexes(None, meta):
        return
    table = described()
    counts = {one["IndexName"]: one.get("ItemCount") for one in table.get("GlobalSecondaryIndexes", ())}
    others = [
        one
        for one in meta.indexes
        if one not in late and counts.get(stored_index(meta, one), -1) != table.get("ItemCount")
    ]
    for index in (*late, *indexes_with_gaps(call, table, meta, others, limit)):
        complete(call, table, meta, index, nulls)


def indexes_with_gaps(
    call: Call, table: Mapping[str, Any], meta: StoreMeta[Any], indexes: Collection[Index], limit: int
) -> list[Index]:
    """Return the indexes that miss one of the first `limit` items, because older code has written it without a required attribute that has a default."""
    codec = WireCodec(meta)
    places = {
        codec.stored[name]
        for index in indexes
        for name in index.attributes
        if name not in meta.key.attributes
        and not meta.attributes[name].optional
        and value_before(meta.attributes[name]) is not None
    }
    if not places:
        return []
    names = {f"#{number}": place for number, place in enumerate(sorted(places))}
    scan: dict[str, Any] = {
        "TableName": table["TableName"],
        "FilterExpression": " OR ".join(f"attribute_not_exists({short})" for short in names),
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    missing: set[str] = set()
    read, start = 0, None
    while read < limit and missing != places:
        page = call("Scan", {**scan, "Limit": limit - read, **({"ExclusiveStartKey": start} if start else {})})
        missing |= {place for item in page["Items"] for place in places if place not in item}
        read, start = read + page["ScannedCount"], page.get("LastEvaluatedKey")
        if not start:
            break
    return [one for one in indexes if not missing.isdisjoint(codec.stored[name] for name in one.attributes)]


def names_with_gaps(call: Call, table: Mapping[str, Any], meta: StoreMeta[Any], limit: int) -> set[str]:
    """Return the names in DynamoDB of a table's indexes that have gaps."""
    there = index_names(table)
    indexes = [one for one in meta.indexes if stored_index(meta, one) in there]
    return {stored_index(meta, one) for one in indexes_with_gaps(call, table, meta, indexes, limit)}


def _change(
    call: Call,
    scans: ResumableScans,
    table: str,
    codec: WireCodec,
    attribute: str,
    condition: str,
    update: str,
    value: dict[str, Any],
    before: Callable[[], None] | None = None,
) -> None:
    """Update all items that meet a condition, each only if it still does. `before`: called before the first of them is updated."""
    stored = codec.stored[attribute]
    names = {"#0": stored, **{f"#{place}": name for place, name in enumerate(codec.stored_key, 1)}}
    values = {":0": value}

    def run(key: Wire) -> None:
        call(
            "UpdateItem",
            {
                "TableName": table,
                "Key": key,
                "UpdateExpression": update,
                "ConditionExpression": f"attribute_exists(#1) AND {condition}",
                "ExpressionAttributeNames": {"#0": stored, "#1": codec.stored_key[0]},
                "ExpressionAttributeValues": values,
            },
        )

    scan: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": True,
        "FilterExpression": condition,
        "ProjectionExpression": ", ".join(list(names)[1:]),
        "ExpressionAttributeNames": names,
    }
    if ":0" in condition:
        scan["ExpressionAttributeValues"] = values
    for keys in scans.pages(scan):
        if keys and before is not None:
            before()
            before = None
        in_parallel(run, keys)
