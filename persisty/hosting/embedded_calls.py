"""Calls of an embedded engine. They run in the event loop, or in a thread if they have to wait for a lock or take too long for the event loop.

These threads are not used by other requests, so that waiting writes do not block reads. If `MAX_WAITING` requests wait for one of them, the next
request is rejected at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from ..errors import BackendUnavailable
from ..store.wait_limits import WouldWait, attempting, within

X = TypeVar("X")
THREADS = 16
"""Threads in which calls wait."""
LONGEST = 30.0
"""The most seconds for the statements of a request: as long as an HTTP API waits for a function."""
MAX_WAITING = 256
"""The most calls that wait for a thread."""


class _Waiting:
    """The calls of one event loop that wait for a lock or for a thread."""

    def __init__(self) -> None:
        self.limiter, self.calls = CapacityLimiter(THREADS), 0


_waiting: RunVar[_Waiting] = RunVar("persisty_waiting_calls")


async def call_embedded(call: Callable[..., X], *arguments: object) -> X:
    """Return the result of a call that takes microseconds unless it has to wait. Raises `BackendUnavailable` if too many calls wait."""
    try:
        return attempting(call, *arguments)
    except WouldWait:
        return await in_thread(call, *arguments)


async def in_thread(call: Callable[..., X], *arguments: object) -> X:
    """Return the result of a call that has to wait. Raises `BackendUnavailable` if too many wait."""
    waiting = _waiting.get(None)
    if waiting is None:
        waiting = _Waiting()
        _waiting.set(waiting)
    if waiting.calls >= THREADS + MAX_WAITING:
        raise BackendUnavailable("Too many requests wait for a lock of the database", retry_after=1)
    waiting.calls += 1
    try:
        return await to_thread.run_sync(within, LONGEST, call, *arguments, limiter=waiting.limiter)
    finally:
        waiting.calls -= 1
