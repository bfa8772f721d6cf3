"""Complete the items of a table before an index is created.

An index contains only items that have all its attributes. Items stored before such an attribute was declared therefore get its default first
(see `model.missing_values`); otherwise a query of the index would not find them. An optional attribute without an index may also be a NULL, which
no index takes. Such NULLs are removed after all items that lack the attribute have its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...store.migration import Report
from .codec import WireCodec
from .parallel import in_parallel
from .resumable_scans import Call, ResumableScans
from .wire_kinds import NULL, Wire


def complete(
    call: Call,
    table: Mapping[str, Any],
    meta: StoreMeta[Any],
    codec: WireCodec,
    index: Index,
    report: Report | None = None,
) -> None:
    """Give the items the values that they lack for an index. `table`: the description of the table without the index."""
    scans = ResumableScans(call, report or Report(lambda items: None))
    indexed = {key["AttributeName"] for one in table.get("GlobalSecondaryIndexes", ()) for key in one["KeySchema"]}
    name = table["TableName"]
    for attribute in index.attributes:
        if attribute in meta.key.attributes:
            continue
        optional = meta.attributes[attribute].optional
        value = value_before(meta.attributes[attribute])
        if value is None or (optional and codec.stored[attribute] in indexed):
            continue  # an absent attribute is null
        wire = codec.value(attribute, value())
        _change(call, scans, name, codec, attribute, "attribute_not_exists(#0)", "SET #0 = :0", wire)
        if optional:
            _change(call, scans, name, codec, attribute, "#0 = :0", "REMOVE #0", NULL)


def _change(
    call: Call,
    scans: ResumableScans,
    table: str,
    codec: WireCodec,
    attribute: str,
    condition: str,
    update: str,
    value: dict[str, Any],
) -> None:
    """Update all items that meet a condition, each only if it still does."""
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
        in_parallel(run, keys)
