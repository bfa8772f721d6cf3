"""The port to DynamoDB's wire protocol: `call(operation, payload)`, and what its errors mean.

Two transports implement it, with the same responses and errors: `direct` is an HTTP client, `boto3_client` uses
botocore. Payloads are DynamoDB's low-level JSON (`{"S": "text"}`), binary values as base64 text. The caller names the shape
of the response, so that a page is decoded into the items' own types without dicts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

from ...aws.retries import AwsError
from ...errors import (
    BackendUnavailable,
    BatchTooLarge,
    Fault,
    InvalidCursor,
    InvalidInput,
    PersistyError,
    SchemaMismatch,
)

JSON = dict[str, Any]

MISSING = "The tables do not fit the declarations: a table or an index does not exist, or is being created. Deploy the app, or run `persisty migrate`"
OTHER_KEY = "The tables do not fit the declarations: a table or an index has another key. Run `persisty diff`"
CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CANCELED = "TransactionCanceledException"

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchExecuteStatement"})
"""Operations that write. They are in doubt if their response is lost."""


class Transport(Protocol):
    """Sends operations to DynamoDB. Safe to share between threads."""

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False) -> Any:
        """Send an operation such as `GetItem`, and return the response as a `shape`, any type that msgspec decodes to. Raises `AwsError` for
        refusals that the caller may handle (a failed condition), and a `PersistyError` after the last retry.

        `once`: do not send it again if it may have been carried out. The error of a write that may have been carried out has
        `in_doubt` among its details.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class StartingTransport(Protocol):
    """A transport that sends several requests before it waits for their responses. One thread does so with half the CPU time
    of a thread for each request."""

    def begin(
        self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False
    ) -> Callable[[], Any]:
        """Send the request of a `call`. Return a function that waits for the response, and returns or raises like the call."""
        ...


def tokened(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload with a token that makes a repeated transaction idempotent for ten minutes. Source: "TransactWriteItems" in the API
    reference, `ClientRequestToken`."""
    return {"ClientRequestToken": str(uuid4()), **payload} if operation == "TransactWriteItems" else payload


def _invalid(message: str) -> Callable[[], PersistyError]:
    return lambda: InvalidInput(message, faults=[Fault("", message)])


REFUSALS: tuple[tuple[str, re.Pattern[str], Callable[[], PersistyError]], ...] = tuple(
    (kind, re.compile(mark, re.IGNORECASE), made)
    for kind, mark, made in (
        ("ValidationException", "starting key|exclusive ?start ?key", InvalidCursor),
        ("ValidationException", "item size", _invalid("DynamoDB stores items of at most 400 KB")),
        ("ValidationException", "payload size", lambda: BatchTooLarge("DynamoDB writes at most 4 MB atomically")),
        (
            "ValidationException",
            "size limit|must be under 2048|empty binary",
            _invalid("DynamoDB takes keys of 1 to 2048 bytes, of 1024 bytes as what sorts; those of indexes included"),
        ),
        ("ResourceNotFoundException", "", lambda: SchemaMismatch(MISSING)),
        ("ValidationException", "have the specified index", lambda: SchemaMismatch(MISSING)),
        (
            "ValidationException",
            "key element does not match|number of conditions on the keys|missing the key|mismatch for (?:index )?key|key schema element|mandatory equality|required keys was not given",
            lambda: SchemaMismatch(OTHER_KEY),
        ),
    )
)
"""(kind, pattern of the message, the fault for the caller)."""


def as_error(error: AwsError) -> PersistyError:
    """Return the typed error of a refusal that the caller does not handle. The message of AWS is the cause only: it names accounts and roles."""
    found = next((made for kind, mark, made in REFUSALS if kind == error.kind and mark.search(error.message)), None)
    typed = found() if found else BackendUnavailable(f"DynamoDB: {error.kind}")
    if error.in_doubt:
        if isinstance(typed, SchemaMismatch):
            typed = BackendUnavailable(typed.message)
        typed.details["in_doubt"] = True
    return typed
