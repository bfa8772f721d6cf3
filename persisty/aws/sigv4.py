"""AWS Signature Version 4 for one service and one shape of request: a POST of JSON to one path.

Source: "Signing AWS API requests" in the AWS Identity and Access Management User Guide. The tests compare it with
botocore's signer on generated requests.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from msgspec import Struct

ALGORITHM = "AWS4-HMAC-SHA256"
CONTENT_TYPE = "application/x-amz-json-1.0"


class Credentials(Struct, frozen=True):
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


class Signer:
    """Signs requests to one host. The key derived from the secret is valid for a day and is cached."""

    def __init__(
        self, host: str, region: str, service: str = "dynamodb", path: str = "/", content_type: str = CONTENT_TYPE
    ) -> None:
        self._host, self._region, self._service, self._path, self._type = host, region, service, path, content_type
        self._key: tuple[str, str, bytes] = ("", "", b"")

    def headers(self, target: str, body: bytes, credentials: Credentials, moment: str) -> str:
        """Return the signed header lines, each with CRLF. `moment` is UTC as `20261123T101500Z`. Without a `target` its header is left out."""
        token = credentials.session_token
        signed, security, operation = "content-type;host;x-amz-date", "", ""
        if token:
            signed, security = f"{signed};x-amz-security-token", f"x-amz-security-token:{token}\n"
        if target:
            signed, operation = f"{signed};x-amz-target", f"x-amz-target:{target}\n"
        canonical = (
            f"POST\n{self._path}\n\ncontent-type:{self._type}\nhost:{self._host}\nx-amz-date:{moment}\n{security}"
            f"{operation}\n{signed}\n{sha256(body).hexdigest()}"
        )
        day = moment[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = _hmac(self._signing_key(credentials.secret_access_key, day), to_sign).hex()
        lines = f"X-Amz-Target: {target}\r\n" if target else ""
        if token:
            lines += f"X-Amz-Security-Token: {token}\r\n"
        return (
            f"Host: {self._host}\r\nContent-Type: {self._type}\r\nX-Amz-Date: {moment}\r\n"
            f"{lines}Authorization: {ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}\r\n"
        )

    def _signing_key(self, secret: str, day: str) -> bytes:
        known_secret, known_day, key = self._key
        if known_secret != secret or known_day != day:
            key = _hmac(f"AWS4{secret}".encode(), day)
            for part in (self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            self._key = (secret, day, key)
        return key
