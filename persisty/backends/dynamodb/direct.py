"""The direct transport: signed HTTP over kept-alive connections, JSON by msgspec; neither botocore nor urllib3.

A tenth of the client CPU of botocore's client and a fifth of its start. What botocore does for its callers is done here
too: bounded retries with jitter, checksums, clock skew, stale connections.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from time import gmtime, strftime, time
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import msgspec

from ...errors import BackendUnavailable
from .credentials import Provider
from .http import Answer, HttpError, Pool, Unreachable
from .sigv4 import Signer
from .transport import JSON, THROTTLES, TRANSIENT, AwsError, Retry, as_error, exhausted, retrying, tokened

TARGET = "DynamoDB_20120810."
SKEW = frozenset({"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"})
"""Errors that a wrong clock causes, among other things."""
CLOCK_TOLERANCE = 60.0
"""Seconds that a clock may be off without being the cause; AWS accepts 5 minutes."""
_encode = msgspec.json.Encoder().encode


@cache
def _decoder(shape: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape).decode


def _tls(host: str, ca_bundle: str | None) -> Callable[[socket.socket], socket.socket]:
    """Wraps connections in TLS. ssl costs 20 ms to import and is needed for https only."""
    context = import_module("ssl").create_default_context(cafile=ca_bundle)
    return partial(context.wrap_socket, server_hostname=host)


class DirectTransport:
    """`ca_bundle`: a file of certificates to trust instead of the system's."""

    def __init__(self, endpoint: str, region: str, credentials: Provider, ca_bundle: str | None = None) -> None:
        parts = urlsplit(endpoint)
        host, secure = parts.hostname or "", parts.scheme == "https"
        usual = 443 if secure else 80
        port = parts.port or usual
        named = f"[{host}]" if ":" in host else host
        self._pool = Pool(host, port, _tls(host, ca_bundle) if secure else None)
        self._signer = Signer(named if port == usual else f"{named}:{port}", region)
        self._credentials = credentials
        self._skew = 0.0

    def call(self, operation: str, payload: dict[str, Any], shape: Any = JSON, *, once: bool = False) -> Any:
        body = _encode(tokened(operation, payload))
        return retrying(lambda: self._attempt(operation, body, shape), operation, once=once)

    def close(self) -> None:
        self._pool.close()

    def _attempt(self, operation: str, body: bytes, shape: Any) -> Any:
        try:
            answer = self._pool.exchange(self._request(TARGET + operation, body))
        except HttpError as error:
            raise Retry(BackendUnavailable(f"DynamoDB: {error}"), at_once=error.reused) from error
        except Unreachable as error:
            raise Retry(BackendUnavailable(f"DynamoDB cannot be reached: {error}"), in_doubt=False) from error
        except OSError as error:
            raise Retry(BackendUnavailable(f"DynamoDB cannot be reached: {error}")) from error
        if answer.crc32 is not None and answer.crc32 != crc32(answer.body):
            raise Retry(BackendUnavailable("DynamoDB: the answer's checksum is wrong"))
        try:
            if answer.status == 200:
                return _decoder(shape)(answer.body)
            refused = _refusal(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Retry(BackendUnavailable(f"DynamoDB answered {answer.status} without JSON")) from error
        if refused.kind in SKEW and self._correct_clock(answer.date):
            raise Retry(as_error(refused), at_once=True, in_doubt=False)
        if refused.kind in TRANSIENT or answer.status >= 500:
            raise Retry(exhausted(refused), in_doubt=refused.kind not in THROTTLES) from refused
        raise refused

    def _request(self, target: str, body: bytes) -> bytes:
        moment = strftime("%Y%m%dT%H%M%SZ", gmtime(time() + self._skew))
        signed = self._signer.headers(target, body, self._credentials(), moment)
        head = f"POST / HTTP/1.1\r\n{signed}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("latin-1") + body

    def _correct_clock(self, date: str | None) -> bool:
        """Take the server's time for ours from now on; False where that would change nothing."""
        try:
            told = import_module("email.utils").parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return False
        before, self._skew = self._skew, told - time()
        return abs(self._skew - before) > CLOCK_TOLERANCE


def _refusal(answer: Answer) -> AwsError:
    body: Mapping[str, Any] = _decoder(JSON)(answer.body)
    kind = str(body.get("__type", "")).rpartition("#")[2]
    return AwsError(kind, str(body.get("message") or body.get("Message") or ""), body)
