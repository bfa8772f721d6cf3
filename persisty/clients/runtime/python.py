"""The runtime of a Python client: errors, pages, requests and the parsing of responses.

The code after the mark is copied into every client. The imports here are those of the whole client.
"""

from __future__ import annotations

import asyncio as _asyncio
import builtins as _b
import random as _random
import time as _time
import typing as _t
from collections.abc import AsyncIterator as _AsyncIterator
from collections.abc import Callable as _Callable
from collections.abc import Iterator as _Iterator
from collections.abc import Mapping as _Mapping
from collections.abc import Sequence as _Sequence
from datetime import UTC as _UTC
from datetime import date as _date
from datetime import datetime as _datetime
from datetime import time as _time_of_day
from datetime import timedelta as _timedelta
from decimal import Decimal as _Decimal
from functools import cache as _cache
from functools import partial as _partial
from types import TracebackType as _Traceback
from urllib.parse import quote as _quote
from uuid import UUID as _UUID
from uuid import uuid4 as _uuid4

import httpx as _httpx
import msgspec as _m
from msgspec import UNSET as UNSET
from msgspec import UnsetType as _Unset

ErrorCode: _t.TypeAlias = str
_REPLAYED = False

# --- shared
_T = _t.TypeVar("_T")
_V = _t.TypeVar("_V")

_TRANSIENT = frozenset({429, 502, 503, 504})
_LONGEST_WAIT = 30.0
_LONGEST_PAUSE = 8.0


class ClientError(Exception):
    """Base of all errors that this client raises."""


class NetworkError(ClientError):
    """The server could not be reached, or did not respond in time. A write may or may not have been executed."""


class Fault(_m.Struct, frozen=True):
    """A fault of the input. `path` is a JSON pointer to it."""

    path: str
    message: str
    expected: str | None = None
    found: str | None = None


class ApiError(ClientError):
    """The server rejected the request. `document` is the whole problem document, with the members of its code.

    `retry_after`: seconds to wait before the next attempt, if the server sent them.
    """

    def __init__(self, document: _b.dict[str, _t.Any], retry_after: float | None = None) -> None:
        self.document, self.retry_after = document, retry_after
        self.code: ErrorCode = document["code"]
        self.status: int = document["status"]
        self.title: str = document["title"]
        self.detail: str | None = document.get("detail")
        self.faults: _b.list[Fault] = _m.convert(document.get("faults", []), _b.list[Fault])
        texts = [self.detail or self.title, *(f"{one.path or '/'}: {one.message}" for one in self.faults)]
        super().__init__(f"{self.code}: " + "; ".join(texts))


class Page(_m.Struct, _t.Generic[_T], frozen=True):
    """A page of matches. `cursor` is for the next page, None on the last. `errors`: problem documents of the matches that cannot be read."""

    items: _b.list[_T]
    cursor: str | None = None
    errors: _b.list[_b.dict[str, _t.Any]] = []


class Tagged(_m.Struct, _t.Generic[_T], frozen=True):
    """An item and the tag of its version. Pass the tag as `if_match` to write only this version."""

    item: _T
    etag: str


class EditResult(_m.Struct, _t.Generic[_T], frozen=True):
    """The result of one edit of a batch. `code` is `ok`, or the code of the error that the other members describe.

    `item` is the created or updated item, or the current item if a condition was not met.
    """

    code: str
    item: _T | None = None
    title: str | None = None
    status: int | None = None
    detail: str | None = None
    faults: _b.list[Fault] = []

    @property
    def ok(self) -> bool:
        return self.code == "ok"


class Add(_t.TypedDict):
    """A change that adds to the stored number."""

    add: int


class Append(_t.TypedDict, _t.Generic[_T]):
    """A change that appends to the stored list."""

    append: _Sequence[_T]


class _Items(_m.Struct, _t.Generic[_T]):
    items: _b.list[_T | None]


class _Results(_m.Struct, _t.Generic[_T]):
    results: _b.list[EditResult[_T]]


class _Count(_m.Struct):
    count: int


class _Asked(_m.Struct, frozen=True):
    """A request, before it is sent."""

    method: str
    path: str
    parameters: _b.list[tuple[str, str]] = []
    body: _t.Any = UNSET
    if_match: str | None = None
    accept: str = "application/json"

    def headers(self) -> _b.dict[str, str]:
        found = {"accept": self.accept}
        if self.body is not UNSET:
            found["content-type"] = "application/json"
        if self.if_match is not None:
            found["if-match"] = self.if_match
        if self.method == "POST":
            found["idempotency-key"] = str(_uuid4())
        return found

    @property
    def repeatable(self) -> bool:
        """Return whether the request is idempotent."""
        return self.method == "GET" or (self.method == "POST" and _REPLAYED)


@_cache
def _decoder(of: _t.Any) -> _m.json.Decoder[_t.Any]:
    return _m.json.Decoder(of)


def _decoded(content: _b.bytes, of: _t.Any) -> _t.Any:
    try:
        return _decoder(of).decode(content)
    except _m.DecodeError as error:
        raise ClientError(f"The response does not fit the types of this client: {error}") from error


def _text(value: _t.Any) -> str:
    """Return a value as text for a URL."""
    plain = _m.to_builtins(value)
    return str(plain).lower() if isinstance(plain, _b.bool) else str(plain)


def _key_part(value: _t.Any) -> str:
    if isinstance(value, _datetime):
        if value.tzinfo is None:  # `astimezone` would take it for a time of this machine
            raise ValueError(f"A datetime in a key needs a UTC offset, as datetime.now(UTC) has: {value!r}")
        return value.astimezone(_UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)
    return _text(value)


def _key(key: _t.Any) -> str:
    """Return the string key of a text, a value, or the values of its parts."""
    if isinstance(key, _b.tuple):
        return "~".join(_quote(_key_part(one), safe="").replace("~", "%7E") for one in key)
    return _key_part(key)


def _at(path: str, key: _t.Any) -> str:
    return f"{path}/{_quote(_key(key), safe='')}"


def _filter(where: _Mapping[str, _t.Any] | None, path: str = "") -> _b.list[tuple[str, str]]:
    """Return a filter as parameters: `{"place": {"city": {"startswith": "R"}}}` is `place.city__startswith=R`."""
    found: _b.list[tuple[str, str]] = []
    for name, value in (where or {}).items():
        if isinstance(value, _Mapping):
            found += _filter(value, f"{path}.{name}" if path else name)
        elif name == "oneof":
            found += [(f"{path}__oneof", _text(one)) for one in value]
            if not value:  # matches nothing: without a parameter it would match everything
                found += [(f"{path}__null", "true"), (f"{path}__null", "false")]
        elif value is None:
            found.append((f"{path}__null", "false" if name == "ne" else "true"))
        else:
            found.append((path if name == "eq" else f"{path}__{name}", _text(value)))
    return found


def _parameters(**given: _t.Any) -> _b.list[tuple[str, str]]:
    """Return the parameters that were given. A list becomes one parameter, separated by commas."""
    return [
        (name, ",".join(value) if isinstance(value, _b.list | _b.tuple) else _text(value))
        for name, value in given.items()
        if value is not None and value is not UNSET and value != ()
    ]


def _edits(edits: _Sequence[_Mapping[str, _t.Any]]) -> _b.list[_t.Any]:
    """Return edits with their keys as JSON."""
    if wrong := [one for one in edits if not all(isinstance(body, _Mapping) for body in one.values())]:
        raise TypeError(
            f'An edit is {{"create": {{…}}}}, {{"update": {{…}}}} or {{"delete": {{…}}}}, not {wrong[0]!r:.200}'
        )
    return [
        {verb: {**body, "key": _key(body["key"])} if verb != "create" else body for verb, body in edit.items()}
        for edit in edits
    ]


def _arguments(given: _Mapping[str, _t.Any], *json: str) -> _b.list[tuple[str, str]]:
    """Return arguments of an action as parameters. A list becomes one parameter for each value. `json`: parameters that are JSON."""
    found: _b.list[tuple[str, str]] = []
    for name, value in _body(given).items():
        if name in json:
            found += [] if value is None else [(name, _m.json.encode(value).decode())]
        elif isinstance(value, _b.list | _b.tuple | _b.set | _b.frozenset):
            found += [(name, _text(one)) for one in value]
        elif value is not None:
            found.append((name, _text(value)))
    return found


def _store_edits(edits: _Sequence[_Mapping[str, _t.Any]]) -> _b.list[_t.Any]:
    """Return edits of several stores with their keys as JSON, each with the name of its store."""
    for edit in edits:
        if len(edit) != 1 or not all(isinstance(one, _Mapping) for one in edit.values()):
            raise TypeError(f'An edit is {{"<store>": {{"create": {{…}}}}}}, not {edit!r:.200}')
    return [{"store": store, **_edits([one])[0]} for edit in edits for store, one in edit.items()]


def _store_results(found: _Results[_t.Any], types: _Sequence[_t.Any]) -> _b.list[EditResult[_t.Any]]:
    """Return the results of edits of several stores. `types`: the type of each result's item."""
    try:
        return [
            one if one.item is None else _m.structs.replace(one, item=_m.convert(one.item, of))
            for one, of in zip(found.results, types, strict=True)
        ]
    except (_m.ValidationError, ValueError) as error:
        raise ClientError(f"The response does not fit the types of this client: {error}") from error


def _is_missing(error: ApiError) -> _b.bool:
    """Return whether an item does not exist. A `not_found` with a detail is an error of the app."""
    return error.code == "not_found" and error.detail is None


def _body(given: _Mapping[str, _t.Any]) -> _b.dict[str, _t.Any]:
    return {name: value for name, value in given.items() if value is not UNSET}


def _problem(status: int, reason: str, content: _b.bytes, media: str) -> _b.dict[str, _t.Any]:
    """Return the error of a response. Another server, such as a proxy, may have sent it."""
    if media.startswith("application/problem+json"):
        try:
            found: _b.dict[str, _t.Any] = _m.json.decode(content, type=_b.dict[str, _t.Any])
            return {"code": "http_error", "status": status, "title": reason, **found}
        except _m.DecodeError:
            pass
    detail = content[:200].decode(errors="replace")
    return {"code": "http_error", "status": status, "title": reason or "HTTP error", "detail": detail}


def _refusal(response: _httpx.Response) -> ApiError:
    media = response.headers.get("content-type", "")
    document = _problem(response.status_code, response.reason_phrase, response.content, media)
    return ApiError(document, _retry_after(response))


def _retry_after(response: _httpx.Response) -> float | None:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else None


def _transient(error: ApiError) -> _b.bool:
    """Return whether the error is temporary. `idempotency_in_progress`: an earlier attempt is still running."""
    return error.status in _TRANSIENT or error.code == "idempotency_in_progress"


def _pause(asked: _Asked, error: ApiError | None, attempt: int) -> float | None:
    """Return the seconds to wait before the next attempt, None for no attempt. `error`: None if there was no response.

    A server that sends `Retry-After` has not executed the request, so even a write is sent again.
    """
    given = None if error is None else error.retry_after
    if given is not None:
        return given if given <= _LONGEST_WAIT else None
    return min(_LONGEST_PAUSE, 0.1 * 2.0**attempt) * (0.5 + _random.random() / 2) if asked.repeatable else None


def _line(line: _b.bytes, of: _t.Any, known: frozenset[str]) -> _t.Any:
    """Return the item on a line of an export. Raises the error that its last line may have. `known`: members of an item."""
    if b'"status":' in line and b'"title":' in line and b'"code":' in line:
        document = _decoded(line, _b.dict[str, _t.Any])
        if document.keys() >= {"code", "status", "title"} and not document.keys() <= known:
            raise ApiError(document)
    return _decoded(line, of)
