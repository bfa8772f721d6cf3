"""The direct transport: signed HTTP over persistent connections, JSON by msgspec, without botocore and urllib3.

It takes a tenth of the client CPU of botocore's client and a fifth of its start. Like botocore, it has bounded retries with jitter,
verifies checksums, corrects clock skew and replaces stale connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

import msgspec

from ...aws.credentials import Provider
from ...aws.http_connections import Answer
from ...aws.retries import THROTTLES, TRANSIENT, AwsError, Retry, exhausted, retrying
from ...aws.signed_requests import SKEW, SignedHost
from ...errors import BackendUnavailable
from .transport import JSON, WRITES, as_error, tokened
from .wire_answers import Sized, loosened

TARGET = "DynamoDB_20120810."
DECODERS = 4096
"""Response shapes whose decoders are cached. An item has a few."""
_encode = msgspec.json.Encoder().encode


@lru_cache(DECODERS)
def _decoder(shape: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape).decode


class DirectTransport:
    """`ca_bundle`: a file of certificates to trust instead of the system's. `target`: the beginning of the target of each operation."""

    def __init__(
        self, endpoint: str, region: str, credentials: Provider, ca_bundle: str | None = None, target: str = TARGET
    ) -> None:
        self._target = target
        self._host = SignedHost(endpoint, region, credentials, ca_bundle)

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False) -> Any:
        body = _encode(tokened(operation, payload))
        return retrying(lambda: self._attempt(operation, body, shape), writes=operation in WRITES, once=once)

    def begin(
        self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False
    ) -> Callable[[], Any]:
        body = _encode(tokened(operation, payload))
        sent = [self._host.send(body, self._target + operation)]

        def attempt() -> Any:
            answer = sent.pop()() if sent else self._host.exchange(body, self._target + operation)
            return self._read(answer, shape)

        return lambda: retrying(attempt, writes=operation in WRITES, once=once)

    def close(self) -> None:
        self._host.close()

    def _attempt(self, operation: str, body: bytes, shape: Any) -> Any:
        return self._read(self._host.exchange(body, self._target + operation), shape)

    def _read(self, answer: Answer, shape: Any) -> Any:
        if answer.crc32 is not None and answer.crc32 != crc32(answer.body):
            raise Retry(BackendUnavailable("DynamoDB: the answer's checksum is wrong"))
        try:
            if answer.status == 200:
                return _decoded(answer.body, shape)
            refused = _refusal(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Retry(BackendUnavailable(f"DynamoDB answered {answer.status} without JSON")) from error
        if refused.kind in SKEW and self._host.correct_clock(answer.date):
            raise Retry(as_error(refused), at_once=True, in_doubt=False)
        if refused.kind in TRANSIENT or answer.status >= 500:
            raise Retry(exhausted(refused), in_doubt=refused.kind not in THROTTLES) from refused
        raise refused


def _decoded(body: bytes, shape: Any) -> Any:
    try:
        answer = _decoder(shape)(body)
    except msgspec.ValidationError:
        loose = loosened(shape)
        if loose is None:
            raise
        answer = _decoder(loose)(body)
    if isinstance(answer, Sized):
        answer.size = len(body)
    return answer


def _refusal(answer: Answer) -> AwsError:
    body: Mapping[str, Any] = _decoder(JSON)(answer.body)
    kind = str(body.get("__type", "")).rpartition("#")[2]
    return AwsError(kind, str(body.get("message") or body.get("Message") or ""), body)
