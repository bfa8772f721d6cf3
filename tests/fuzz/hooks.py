"""What a fuzzer cannot know: an `Idempotency-Key` is one request's. It tries the same few keys again and again, and would hear of nothing but that.

Each valid key becomes one that nobody has used; what is no key stays as it is. Sending the very same request again is for
`tests/api/idempotency/` to try.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.generation.meta import CoverageScenario

from persisty.api.openapi.idempotency import HEADER

KEY = re.compile(HEADER["schema"]["pattern"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A case that lacks something that it should have, credentials say, is left alone: changed, it would be taken for another."""
    phase = None if case.meta is None else case.meta.phase.data
    if getattr(phase, "scenario", None) is CoverageScenario.MISSING_PARAMETER:
        return
    for name, value in [*(case.headers or {}).items()]:
        if name.lower() == "idempotency-key" and isinstance(value, str) and KEY.search(value):
            case.headers[name] = str(uuid4())
