"""The outcome of a call, in the terms of the guarantees about faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from persisty import BackendUnavailable, EditResult, PersistyError, Throttled

OK, DOUBT, UNAVAILABLE = "ok", "in doubt", "unavailable"


def verdict(call: Callable[[], Any]) -> str:
    """Return `ok`, `in doubt`, `unavailable` (the call had no effect), or the code of the error."""
    try:
        call()
    except PersistyError as error:
        return verdict_of(error)
    return OK


def verdict_of(error: PersistyError | None) -> str:
    if error is None:
        return OK
    if error.details.get("in_doubt"):
        assert isinstance(error, BackendUnavailable | Throttled), error
        return DOUBT
    return UNAVAILABLE if isinstance(error, BackendUnavailable | Throttled) else error.code


def verdicts(results: list[EditResult[Any]]) -> list[str]:
    """Return the verdict on each edit of a batch."""
    return [verdict_of(result.error) for result in results]
