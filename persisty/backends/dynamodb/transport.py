"""The port to DynamoDB's wire protocol: `call(operation, payload)`, and what its errors mean.

Two transports implement it, with the same answers and errors: `direct` speaks HTTP itself, `boto3_client` goes through
botocore. Payloads are DynamoDB's low-level JSON (`{"S": "text"}`), binary values as base64 text, as on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import random
from time import sleep
from typing import Any, Protocol

from ...errors import BackendUnavailable, InvalidCursor, InvalidInput, PersistyError, Throttled

ATTEMPTS = 5
"""Times a call is tried before it ends in a typed error."""
BACKOFF, BACKOFF_CAP = 0.05, 1.0
"""Seconds: the n-th retry waits a random time up to BACKOFF · 2ⁿ, at most BACKOFF_CAP (full jitter)."""

CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CANCELED = "TransactionCanceledException"
THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottledException",
        "TransactionInProgressException",
    }
)
TRANSIENT = THROTTLES | {"InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"}
"""Errors worth another attempt."""


class AwsError(Exception):
    """DynamoDB refused a call. `kind` is the error's short name, `body` all it said: `Item`, `CancellationReasons`."""

    def __init__(self, kind: str, message: str, body: Mapping[str, Any]) -> None:
        self.kind, self.message, self.body = kind, message, body
        super().__init__(f"{kind}: {message}")


class Transport(Protocol):
    """Safe to share between threads."""

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Answer of an operation such as `GetItem`. Raises `AwsError` for what the caller may handle (a failed
        condition), and a `PersistyError` once retries are used up."""
        ...

    def close(self) -> None: ...


def backoff(attempt: int) -> float:
    """Seconds to wait before retry number `attempt`, counted from 0."""
    return float(random() * min(BACKOFF_CAP, BACKOFF * 2**attempt))


def retrying(attempt_call: Callable[[int], Any]) -> Any:
    """Call until it gives something other than a `Retry`, at most `ATTEMPTS` times with backoff in between."""
    for attempt in range(ATTEMPTS):
        try:
            return attempt_call(attempt)
        except Retry as retry:
            if attempt == ATTEMPTS - 1:
                raise retry.error from retry.__cause__
            if not retry.at_once:
                sleep(backoff(attempt))
    raise BackendUnavailable()


class Retry(Exception):
    """This attempt failed in a way that another may not; `error` is what it ends in if none is left."""

    def __init__(self, error: PersistyError, *, at_once: bool = False) -> None:
        self.error, self.at_once = error, at_once
        super().__init__(str(error))


def exhausted(error: AwsError) -> PersistyError:
    """The error of a transient fault that stayed."""
    kind = Throttled if error.kind in THROTTLES else BackendUnavailable
    return kind(f"DynamoDB: {error.message or error.kind}")


VALIDATIONS: dict[str, Callable[[], PersistyError]] = {
    "tarting key": InvalidCursor,
    "ExclusiveStartKey": InvalidCursor,
    "tem size": lambda: InvalidInput("The item is larger than DynamoDB stores (400 KB)"),
}
"""Part of a ValidationException's message → what it means to a caller."""


def as_error(error: AwsError) -> PersistyError:
    """The typed error of a refusal that no caller handles."""
    if error.kind == "ValidationException":
        known = next((made for mark, made in VALIDATIONS.items() if mark in error.message), None)
        if known is not None:
            return known()
    return BackendUnavailable(f"DynamoDB: {error.kind}: {error.message}")
