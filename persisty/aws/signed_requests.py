"""Signed requests to one host over persistent connections: a POST of JSON to one path, for a service of AWS.

A request that fails on the network raises `Retry`, for `retries.retrying`. Signatures use the server's time, because the server
rejects signatures of other times.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from time import gmtime, strftime, time
from urllib.parse import urlsplit

from ..drivers import driver
from ..errors import BackendUnavailable
from .credentials import Provider
from .http_connections import Answer, Connection, HttpError, Pool, Unreachable
from .retries import Retry
from .sigv4 import CONTENT_TYPE, Signer

SKEW = frozenset({"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"})
"""Errors that a wrong clock causes, among other things."""
CLOCK_TOLERANCE = 60.0
"""Seconds of difference between the clocks that do not cause an error. AWS accepts 5 minutes."""


def _tls(host: str, ca_bundle: str | None) -> Callable[[socket.socket], socket.socket]:
    """Wraps connections in TLS. ssl costs 20 ms to import and is needed for https only."""
    context = driver("ssl").create_default_context(cafile=ca_bundle)
    return partial(context.wrap_socket, server_hostname=host)


class SignedHost:
    """`url`: scheme, host, perhaps a port, and the path. `ca_bundle`: a file of certificates to trust instead of the system's.
    `name`: that of the service in errors. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        region: str,
        credentials: Provider,
        ca_bundle: str | None = None,
        *,
        name: str = "DynamoDB",
        service: str = "dynamodb",
        content_type: str = CONTENT_TYPE,
    ) -> None:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        usual = 443 if secure else 80
        port = parts.port or usual
        named = f"[{host}]" if ":" in host else host
        self._path = parts.path or "/"
        self._pool = Pool(host, port, _tls(host, ca_bundle) if secure else None)
        authority = named if port == usual else f"{named}:{port}"
        self._signer = Signer(authority, region, service, self._path, content_type)
        self._name, self._credentials = name, credentials
        self._skew = 0.0
        self._moment = (0, "")

    def exchange(self, body: bytes, target: str = "") -> Answer:
        """Send a request and return the response. `Retry` if that fails."""
        try:
            return self._pool.exchange(self.request(body, target))
        except (HttpError, OSError) as error:
            raise self._retry(error) from error

    def send(self, body: bytes, target: str = "") -> Callable[[], Answer]:
        """Send a request. Return a function that returns the response, and raises `Retry` if sending or receiving failed."""
        try:
            connection = self._pool.send(self.request(body, target))
        except (HttpError, OSError) as error:
            return partial(self._fail, error)
        return partial(self._receive, connection)

    def _receive(self, connection: Connection) -> Answer:
        try:
            return self._pool.receive(connection)
        except (HttpError, OSError) as error:
            raise self._retry(error) from error

    def _fail(self, error: HttpError | OSError) -> Answer:
        raise self._retry(error) from error

    def _retry(self, error: HttpError | OSError) -> Retry:
        if isinstance(error, HttpError):
            return Retry(BackendUnavailable(f"{self._name}: {error}"), at_once=error.reused)
        unsent = isinstance(error, Unreachable)
        return Retry(BackendUnavailable(f"{self._name} cannot be reached: {error}"), in_doubt=not unsent)

    def request(self, body: bytes, target: str = "") -> bytes:
        """Return the bytes of a request. `target`: the operation, for a service that uses AWS's JSON protocol."""
        signed = self._signer.headers(target, body, self._credentials(), self._now())
        head = f"POST {self._path} HTTP/1.1\r\n{signed}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("latin-1") + body

    def _now(self) -> str:
        """Return the time in the format of signatures. It is formatted once a second."""
        second = int(time() + self._skew)
        known, text = self._moment
        if known != second:
            text = strftime("%Y%m%dT%H%M%SZ", gmtime(second))
            self._moment = (second, text)
        return text

    def correct_clock(self, date: str | None) -> bool:
        """Use the server's time from now on. Return False if that changes nothing."""
        try:
            server_time = driver("email.utils").parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return False
        before, self._skew = self._skew, server_time - time()
        return abs(self._skew - before) > CLOCK_TOLERANCE

    def close(self) -> None:
        self._pool.close()
