"""The port to DynamoDB's wire protocol: `call(operation, payload)`, and what its errors mean.

Two transports implement it, with the same answers and errors: `direct` speaks HTTP itself, `boto3_client` goes through
botocore. Payloads are DynamoDB's low-level JSON (`{"S": "text"}`), binary values as base64 text, as on the wire. Answers
come in the shape that the caller names, so that a page is decoded into items' own types without a detour over dicts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

from ...aws.retries import AwsError
from ...errors import BackendUnavailable, BatchTooLarge, Fault, InvalidCursor, InvalidInput, PersistyError

JSON = dict[str, Any]

CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CANCELED = "TransactionCanceledException"

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchExecuteStatement"})
"""Operations that change something, and leave doubt when their answer is lost."""


class Transport(Protocol):
    """Safe to share between threads."""

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False) -> Any:
        """Answer of an operation such as `GetItem` as a `shape`, any type that msgspec decodes to. Raises `AwsError` for
        what the caller may handle (a failed condition), and a `PersistyError` once retries are used up.

        `once`: it is not sent again when it may have been carried out. The error of a write that may have been has
        `in_doubt` among its details.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class StartingTransport(Protocol):
    """A transport that sends requests before it waits for their answers: one thread has several under way, which takes half the CPU time
    of a thread for each."""

    def begin(
        self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False
    ) -> Callable[[], Any]:
        """Send the request of a `call`. Returns a function that waits for the answer, and returns or raises what the call would."""
        ...


def tokened(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with what makes a transaction that is sent again have one effect. Source: "TransactWriteItems" in the API
    reference, `ClientRequestToken`; it holds for ten minutes."""
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
        (
            "ResourceNotFoundException",
            "",
            lambda: BackendUnavailable("DynamoDB: a table or an index is missing; `App.prepare` creates them"),
        ),
    )
)
"""(kind, part of the message, what it means to a caller)."""


def as_error(error: AwsError) -> PersistyError:
    """The typed error of a refusal that no caller handles. What AWS said stays in the cause: it names accounts and roles."""
    found = next((made for kind, mark, made in REFUSALS if kind == error.kind and mark.search(error.message)), None)
    typed = found() if found else BackendUnavailable(f"DynamoDB: {error.kind}")
    if error.in_doubt:
        typed.details["in_doubt"] = True
    return typed
