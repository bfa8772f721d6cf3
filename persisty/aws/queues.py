"""Messages to a queue of SQS. Source: "SendMessage" in the Amazon SQS API Reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import BackendUnavailable, PersistyError, Throttled
from .credentials import Provider
from .http_connections import Answer
from .retries import THROTTLES, TRANSIENT, Retry, retrying
from .signed_requests import SKEW, SignedHost

SEND = "AmazonSQS.SendMessage"
MOST_BYTES = 256 * 1024
"""The most bytes of a message, unless its queue allows more."""
ESCAPED = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
"""Characters that SQS rejects, although JSON allows them in a text → their escapes."""


class SqsQueue:
    """Sends messages to the queue at `url`. `endpoint`: the address of SQS, if it is not the queue's host. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        region: str,
        credentials: Provider,
        ca_bundle: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        scheme, _, rest = (endpoint or url).partition("://")
        address = f"{scheme}://{rest.partition('/')[0]}/"
        self._host = SignedHost(address, region, credentials, ca_bundle, name="SQS", service="sqs")
        self._url = url

    def __call__(self, message: Mapping[str, Any]) -> None:
        """Send a message. Raises `BackendUnavailable` or `Throttled` if SQS does not accept it after bounded retries."""
        text = msgspec.json.encode(message).decode().translate(ESCAPED)
        body = msgspec.json.encode({"QueueUrl": self._url, "MessageBody": text})
        retrying(lambda: self._attempt(body), writes=False)

    def close(self) -> None:
        self._host.close()

    def _attempt(self, body: bytes) -> None:
        answer = self._host.exchange(body, SEND)
        if answer.status == 200:
            return
        kind = _kind(answer)
        if kind in SKEW and self._host.correct_clock(answer.date):
            raise Retry(_error(kind), at_once=True)
        if kind in TRANSIENT or answer.status >= 500:
            raise Retry(_error(kind))
        raise _error(kind)


def _error(kind: str) -> PersistyError:
    text = f"SQS did not accept a message: {kind}"
    return Throttled(text) if kind in THROTTLES else BackendUnavailable(text)


def _kind(answer: Answer) -> str:
    """Return the error's short name: `com.amazonaws.sqs#QueueDoesNotExist` → `QueueDoesNotExist`."""
    try:
        content = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return f"status {answer.status}"
    kind = content.get("__type") if isinstance(content, Mapping) else None
    return str(kind or f"status {answer.status}").rpartition("#")[2][:200]
