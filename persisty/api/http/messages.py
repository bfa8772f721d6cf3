"""A request and a response, as every host converts them: ASGI server, API Gateway, tests.

The surfaces use only these two types, so that the same request has the same response through every host.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...errors import (
    MAX_FAULTS,
    AnswerTooLarge,
    Fault,
    InvalidQuery,
    MalformedJson,
    PayloadTooLarge,
    PersistyError,
    UnsupportedMediaType,
)
from ...model import nesting
from ...model.json_numbers import UnroundedNumber, decode, number_of
from ...model.pages import ResultPage, page_like
from ...model.set_order import may_be_unordered, with_ordered_sets
from ...security.caller import ANONYMOUS, Caller

MAX_BODY = 1 << 20
"""Bytes of a request body, unless the host sets another limit."""
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
"""A percent sign without two hexadecimal digits after it (RFC 3986, 2.1)."""
MAX_PARAMETERS = 200
"""Parameters of a query string."""


MAX_FAULT = 1_000
"""The most characters of a fault's path, and of its message, in a response. Both may repeat names from the request."""


def listed(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults that a response lists: the first `MAX_FAULTS`, with long texts cut."""
    return tuple(map(_cut, faults[:MAX_FAULTS]))


def _cut(fault: Fault) -> Fault:
    if len(fault.path) + len(fault.message) <= MAX_FAULT:
        return fault
    return replace(fault, path=fault.path[:MAX_FAULT], message=fault.message[:MAX_FAULT])


def document_of(error: PersistyError) -> dict[str, Any]:
    """Return the members of an error: `title`, `status`, `code`, `detail` if it differs from the title, `faults`, and the details of its code."""
    document: dict[str, Any] = {"title": error.title, "status": error.status, "code": error.code}
    if error.message != error.title:
        document["detail"] = error.message
    if error.faults:
        document["faults"] = listed(error.faults)
    return {**error.details, **document}


def _error(value: Any) -> dict[str, Any]:
    """Encode an error within a response: that of an item which a page cannot show."""
    if isinstance(value, PersistyError):
        document: dict[str, Any] = with_ordered_sets(document_of(value))
        return document
    raise TypeError(f"Cannot encode {type(value).__name__} as JSON")


_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=_error)


def encode(content: Any) -> bytes:
    """Encode the content of a response. Equal contents have equal bytes."""
    try:
        found = _ENCODER.encode(content)
    except TypeError:  # keys of a dict that are not texts, such as UUIDs, or members of a set that cannot be compared
        return msgspec.json.encode(_ordered(with_ordered_sets(content)))
    return msgspec.json.encode(_ordered(with_ordered_sets(content))) if may_be_unordered(found, content) else found


MAX_RESPONSE = 1 << 25
"""The most bytes of the items of one response."""
SLICE = 25
"""The number of items that are encoded before their size is checked."""


def encode_items(content: Any, *, included: bool = False) -> bytes:
    """Encode a page, or a dict with `items`, with the same bytes as `encode`.

    Raises `AnswerTooLarge` beyond `MAX_RESPONSE`, before everything is in memory. `included`: items contain linked items, so the size is checked
    after each of them.
    """
    paged = isinstance(content, ResultPage)
    items = content.items if paged else content["items"]
    if len(items) <= SLICE and not included:
        return encode(content)
    step = 1 if included else SLICE
    parts: list[bytes] = []
    size = 0
    for start in range(0, len(items), step):
        parts.append(encode(items[start : start + step])[1:-1])
        size += len(parts[-1])
        if size > MAX_RESPONSE:
            raise AnswerTooLarge(
                f"The items of a response have at most {MAX_RESPONSE} bytes; request fewer, or fewer fields",
                limit=MAX_RESPONSE,
            )
    around = encode(page_like(content, []) if paged else {**content, "items": []})
    before, _, after = around.partition(EMPTY)
    return b"".join((before, EMPTY[:-1], b",".join(parts), b"]", after))


EMPTY = b'"items":[]'


def encode_lines(items: Sequence[Any]) -> bytes:
    """Encode items, one on each line."""
    try:
        found = _ENCODER.encode_lines(items)
    except TypeError:
        found = b""
    if not found or may_be_unordered(found, items):
        return b"".join(encode(one) + b"\n" for one in items)
    return found


_ordered = partial(msgspec.to_builtins, str_keys=True, order="deterministic", enc_hook=_error)

IDENTITY = "identity"
"""The content coding of a body that is not compressed (RFC 9110, 12.5.3)."""
IDEMPOTENCY_KEY = "idempotency-key"
ON_EVERY_RESPONSE = {"x-content-type-options": "nosniff"}
"""Headers that hosts add to every response. They stop browsers from interpreting data as a page or a script."""
JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json", "cache-control": "no-store"}


class Request(Struct, frozen=True):
    """A request. `path` is percent-decoded, as ASGI and API Gateway's HTTP APIs give it. `query` is the raw query string. Names of `headers` are in
    lower case. `caller` is anonymous before authentication. `root` is the percent-encoded root path, which `path` does not contain."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    caller: Caller = ANONYMOUS
    root: str = ""

    def parameters(self) -> list[tuple[str, str]]:
        """Return the parameters of the query string in order, with repetitions. Raises `InvalidQuery` if it is malformed."""
        query = self.query
        if not query:
            return []
        escaped = "%" in query
        if not query.isascii() or (escaped and BROKEN_ESCAPE.search(query)):
            raise InvalidQuery(faults=[Fault("", "Malformed query string: not percent-encoded")])
        if not escaped and "+" not in query and len(parts := query.split("&")) <= MAX_PARAMETERS:
            pairs = [part.partition("=") for part in parts if part]
            return [(name, value) for name, _, value in pairs]
        try:
            return parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
        except ValueError as error:
            raise InvalidQuery(faults=[Fault("", f"Malformed query string: {error}")]) from error


class Response(Struct, frozen=True):
    """A response. Names of `headers` are in lower case. A response of unknown length has `chunks` and an empty `body`. A host sends each chunk as it
    is produced, and closes the iterator when the client has disconnected."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    chunks: Iterator[bytes] | None = None


def close(chunks: Iterator[bytes]) -> None:
    """Close the generator of the chunks, even if some were not read."""
    if isinstance(chunks, Generator):
        chunks.close()


def without_content(full: Response) -> Response:
    """Return the response to a HEAD request: the response to the GET, without its content."""
    if full.chunks is not None:
        close(full.chunks)
        return Response(full.status, full.headers)
    length = {} if full.status == 304 else {"content-length": str(len(full.body))}
    return Response(full.status, {**full.headers, **length})


def varying(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the headers with these request headers added to `vary`."""
    known = (headers["vary"],) if "vary" in headers else ()
    return {**headers, "vary": ", ".join((*known, *names))}


def _rounded(text: str) -> int | float:
    """Return a number as GraphQL reads it: the nearest float. A `Decimal` is sent as text."""
    value = number_of(text)
    return float(text) if isinstance(value, UnroundedNumber) else value


_decode_rounded = msgspec.json.Decoder(float_hook=_rounded).decode


def json_body(request: Request, max_body: int = MAX_BODY, *, rounded: bool = False) -> Any:
    """Return the decoded body of a request. Raises a typed error if it is too large, has another media type or is not JSON. `rounded`: numbers that
    a float cannot represent exactly are rounded."""
    if len(request.body) > max_body:
        raise PayloadTooLarge(f"A body has at most {max_body} bytes", limit=max_body)
    if "content-encoding" in request.headers:
        _check_coding(request.headers["content-encoding"])
    given = request.headers.get("content-type", "")
    if given != "application/json":
        _check_media(given)
    try:
        return nesting.decode(request.body, _decode_rounded if rounded else decode)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJson(f"The body is not JSON: {error}") from error


def _check_coding(coding: str) -> None:
    if coding.strip(" \t").lower() not in ("", IDENTITY):
        raise UnsupportedMediaType("Send the body without a content coding", expected=IDENTITY, coding=coding[:64])


def _check_media(given: str) -> None:
    media, _, parameters = given.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise UnsupportedMediaType("Expected application/json in UTF-8", expected="application/json")
