"""Correct what a fuzzer cannot know of the server's state.

- An `Idempotency-Key` belongs to one request, and the fuzzer tries the same few keys again and again: each valid key becomes a new one. Repeated
  requests are tested in `tests/api/idempotency/`.
- Whether `{"add": n}` leaves the bounds of an attribute depends on the number that is stored: each valid operand becomes 0, which never does. Sums
  beyond the bounds are tested on every engine in `persisty/testing/conformance/`.

Invalid keys and operands stay as they are.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.generation.meta import CoverageScenario

from persisty.api.openapi.idempotency import HEADER
from persisty.model.types import INTEGER_MAX, INTEGER_MIN

KEY = re.compile(HEADER["schema"]["pattern"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Leave a case without a parameter (credentials, say) alone: a changed one would be taken for another case."""
    phase = None if case.meta is None else case.meta.phase.data
    if getattr(phase, "scenario", None) is CoverageScenario.MISSING_PARAMETER:
        return
    for name, value in [*(case.headers or {}).items()]:
        if name.lower() == "idempotency-key" and isinstance(value, str) and KEY.search(value):
            case.headers[name] = str(uuid4())
    if case.method == "PATCH" and isinstance(case.body, dict):
        for value in case.body.values():
            if is_sum(value):
                value["add"] = 0


def is_sum(value: Any) -> bool:
    """Return whether a value of a PATCH is a valid sum."""
    return (
        isinstance(value, dict)
        and [*value] == ["add"]
        and type(value["add"]) is int
        and INTEGER_MIN <= value["add"] <= INTEGER_MAX
    )
