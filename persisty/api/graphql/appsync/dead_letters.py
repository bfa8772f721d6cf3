"""Dead letters of the stream function: records that no retry can publish, sent with the reason to the queue that Lambda also uses.

A message names the record and contains no item: stream, sequence number, key and reason. Lambda's own messages name a range of records, this one a
single record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....errors import PersistyError
from ...http.problem import problem


def dead_letter(record: Mapping[str, Any], error: PersistyError) -> dict[str, Any]:
    """Return the message for a record: its place in the stream, its key in DynamoDB's JSON, and the problem document of the error."""
    images = record.get("dynamodb")
    known = images if isinstance(images, Mapping) else {}
    return {
        "reason": problem(error),
        "stream": record.get("eventSourceARN"),
        "event": record.get("eventName"),
        "sequence": known.get("SequenceNumber"),
        "keys": known.get("Keys"),
        "at": known.get("ApproximateCreationDateTime"),
    }
