"""The transport of a Python client: it sends requests, repeats them and parses the responses.

The code after the mark is written to the client twice: unchanged, and in a synchronous form (`python_modes.PLAIN`).
"""

from __future__ import annotations

import asyncio as _asyncio
import builtins as _b
import typing as _t
from collections.abc import AsyncIterator as _AsyncIterator
from collections.abc import Callable as _Callable
from collections.abc import Mapping as _Mapping

import httpx as _httpx
import msgspec as _m
from msgspec import UNSET as UNSET

from .python import (
    ApiError,
    ClientError,
    NetworkError,
    Tagged,
    _Asked,
    _decoded,
    _is_missing,
    _line,
    _pause,
    _refusal,
    _transient,
)


# --- written twice
class _AsyncTransport:
    """Sends requests, repeats them if that is safe, and raises the server's errors."""

    def __init__(
        self,
        base_url: str,
        token: str | _Callable[[], str] | None,
        timeout: float,
        retries: int,
        headers: _Mapping[str, str] | None,
        transport: _httpx.AsyncBaseTransport | None,
    ) -> None:
        self._http = _httpx.AsyncClient(base_url=base_url, timeout=timeout, headers=headers, transport=transport)
        self._token, self._retries = token, retries

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, asked: _Asked, stream: _b.bool = False) -> _httpx.Response:
        headers = asked.headers()
        content = None if asked.body is UNSET else _m.json.encode(asked.body)
        for attempt in range(self._retries + 1):
            if self._token is not None:
                headers["authorization"] = "Bearer " + (self._token if isinstance(self._token, str) else self._token())
            request = self._http.build_request(
                asked.method, asked.path, params=tuple(asked.parameters), content=content, headers=headers
            )
            try:
                response = await self._http.send(request, stream=stream)
                if response.status_code < 400:
                    return response
                await response.aread()
                rejected = _refusal(response)
                refusal: ClientError = rejected
                again = _pause(asked, rejected, attempt) if _transient(rejected) else None
            except _httpx.TransportError as error:
                again = _pause(asked, None, attempt)
                refusal = NetworkError(f"{asked.method} {asked.path}: {error or type(error).__name__}")
                refusal.__cause__ = error
            if again is None or attempt == self._retries:
                raise refusal
            await _asyncio.sleep(again)
        raise NetworkError(f"{asked.method} {asked.path}")  # `retries` is negative

    async def answer(self, asked: _Asked, of: _t.Any) -> _t.Any:
        """Return the response of this type. With None for the type, return nothing."""
        response = await self.send(asked)
        return None if of is None or response.status_code == 204 else _decoded(response.content, of)

    async def found(self, asked: _Asked, of: _t.Any) -> _t.Any:
        """Return the response of this type, None if it does not exist."""
        try:
            return await self.answer(asked, of)
        except ApiError as error:
            if not _is_missing(error):
                raise
            return None

    async def tagged(self, asked: _Asked, of: _t.Any) -> _t.Any:
        """Return the response with its tag, None if it does not exist."""
        try:
            response = await self.send(asked)
        except ApiError as error:
            if not _is_missing(error):
                raise
            return None
        return Tagged(_decoded(response.content, of), response.headers["etag"])

    async def deleted(self, asked: _Asked) -> _b.bool:
        try:
            await self.send(asked)
        except ApiError as error:
            if not _is_missing(error):
                raise
            return False
        return True

    async def lines(self, asked: _Asked, of: _t.Any) -> _AsyncIterator[_t.Any]:
        known = frozenset(of.__struct_encode_fields__)
        response = await self.send(asked, stream=True)
        rest = b""
        try:
            async for chunk in response.aiter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")  # text may have other line ends
                for line in lines:
                    yield _line(line, of, known)
            if rest:
                yield _line(rest, of, known)
        except _httpx.TransportError as error:
            raise NetworkError(f"{asked.path}: {error or type(error).__name__}") from error
        finally:
            await response.aclose()

    async def pages(self, ask: _Callable[[str | None], _Asked], of: _t.Any) -> _AsyncIterator[_t.Any]:
        """Iterate over the items of all pages. `ask`: makes the request for a cursor. At the end, raise the error of the first match that
        cannot be read."""
        cursor: str | None = None
        unreadable: _b.dict[str, _t.Any] | None = None
        while True:
            page = await self.answer(ask(cursor), of)
            for item in page.items:
                yield item
            if page.errors and unreadable is None:
                unreadable = page.errors[0]
            cursor = page.cursor
            if cursor is None:
                break
        if unreadable is not None:
            raise ApiError(unreadable)
