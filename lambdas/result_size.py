"""The size of a result as Lambda counts it: the JSON that its runtime writes, at most six megabytes for a synchronous invocation.

The runtime puts a space after each comma and colon. The runtime of Python 3.11 also escapes every character beyond ASCII, which takes up to three times the bytes.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from persisty.errors import AnswerTooLarge

MAX_ANSWER = 6 * 1024 * 1024
"""Bytes of JSON that Lambda accepts as the result of a synchronous invocation."""
MARGIN = 64 * 1024
"""Bytes reserved for status and headers."""
ESCAPES = sys.version_info < (3, 12)
"""True if the runtime escapes characters beyond ASCII."""
MOST_GROWTH = 3
"""Largest ratio of the runtime's JSON to compact JSON, in bytes."""


def check_size(result: Any) -> None:
    """Raise `AnswerTooLarge` for a result that Lambda would reject. Only a result that may be too large is encoded to measure it."""
    if len(msgspec.json.encode(result)) * MOST_GROWTH > MAX_ANSWER - MARGIN and size_of(result) > MAX_ANSWER - MARGIN:
        raise too_large()


def size_of(result: Any) -> int:
    """Return the bytes of a result."""
    return len(json.dumps(result, ensure_ascii=ESCAPES).encode())


def too_large(done: int | None = None) -> AnswerTooLarge:
    """Return the error for a response that Lambda would reject. `done`: the status of a request that may have written and is done."""
    message = f"A response may have at most {MAX_ANSWER} bytes, as Lambda counts them"
    if done is None:
        return AnswerTooLarge(message, limit=MAX_ANSWER)
    return AnswerTooLarge(f"The request is done. {message}", limit=MAX_ANSWER, done=done)
