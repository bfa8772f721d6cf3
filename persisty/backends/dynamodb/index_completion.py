"""Complete the items of a table before an index is made of them.

An index holds only items that have all its attributes. So those that were stored before such an attribute was declared get its value first
(see `model.stored_before`), or a query of the index would not find them. An optional attribute that has no index yet may also be a NULL,
which no index takes: it is removed, after all items that lack the attribute have got its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.stored_before import value_before
from ...store.migration import Report
from .codec import WireCodec
from .parallel import in_parallel
from .passes import Call, Passes
from .wire_kinds import NULL, Wire


def complete(
    call: Call,
    table: Mapping[str, Any],
    meta: StoreMeta[Any],
    codec: WireCodec,
    index: Index,
    report: Report | None = None,
) -> None:
    """Give the items what they lack for an index. `table` is the description of the table without it."""
    passes = Passes(call, report or Report(lambda items: None))
    indexed = {key["AttributeName"] for one in table.get("GlobalSecondaryIndexes", ()) for key in one["KeySchema"]}
    name = table["TableName"]
    for attribute in index.attributes:
        if attribute in meta.key.attributes:
            continue
        optional = meta.attributes[attribute].optional
        value = value_before(meta.attributes[attribute])
        if value is None or (optional and attribute in indexed):
            continue  # what is absent is null
        wire = codec.value(attribute, value())
        _change(call, passes, name, codec, attribute, "attribute_not_exists(#0)", "SET #0 = :0", wire)
        if optional:
            _change(call, passes, name, codec, attribute, "#0 = :0", "REMOVE #0", NULL)


def _change(
    call: Call,
    passes: Passes,
    table: str,
    codec: WireCodec,
    attribute: str,
    condition: str,
    update: str,
    value: dict[str, Any],
) -> None:
    """Update all items that meet a condition, if they still meet it."""
    names = {"#0": attribute, **{f"#{place}": name for place, name in enumerate(codec.schema, 1)}}
    values = {":0": value}

    def run(key: Wire) -> None:
        call(
            "UpdateItem",
            {
                "TableName": table,
                "Key": key,
                "UpdateExpression": update,
                "ConditionExpression": f"attribute_exists(#1) AND {condition}",
                "ExpressionAttributeNames": {"#0": attribute, "#1": codec.schema[0]},
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
    for keys in passes.pages(scan):
        in_parallel(run, keys)
