"""Calls of an engine that must not wait for a lock of another thread or process, and must not take long.

An event loop must not wait, because it answers no other request during that time. A server calls an embedded engine in its event loop, within
`attempting`. If the engine would have to wait, or the call takes long, `WouldWait` is raised, and the server repeats the request in a thread,
`within` a time limit. No write is done twice: `WouldWait` is only raised before the first write of an attempt. After that, the attempt owns the
engine's lock until its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

X = TypeVar("X")


class WouldWait(BaseException):
    """The call would have to wait, or takes long. Not an `Exception`, because it is not an error of the request."""


class Attempt:
    """A call that must not wait. `wrote`: it has written; `release` then releases the engine's lock."""

    release: Callable[[], None] | None = None

    @property
    def wrote(self) -> bool:
        """Return whether the attempt can no longer be repeated."""
        return self.release is not None


class _Thread(threading.local):
    attempt: Attempt | None = None
    until: float | None = None


this_thread = _Thread()
"""The attempt of this thread, if it must not wait, and the deadline of its call, if there is one (`time.monotonic`)."""


def in_attempt() -> bool:
    """Return whether this thread may raise `WouldWait`."""
    attempt = this_thread.attempt
    return attempt is not None and not attempt.wrote


def within(seconds: float, call: Callable[..., X], *arguments: object) -> X:
    """Return the result of a call with a time limit. Afterwards an embedded engine ends its statements with `InvalidQuery`."""
    before, this_thread.until = this_thread.until, monotonic() + seconds
    try:
        return call(*arguments)
    finally:
        this_thread.until = before


def attempting(call: Callable[..., X], *arguments: object) -> X:
    """Return the result of a call in which this thread must not wait. Raises `WouldWait` if it would have to; then nothing was written."""
    attempt = this_thread.attempt = Attempt()
    try:
        return call(*arguments)
    finally:
        this_thread.attempt = None
        if attempt.release is not None:
            attempt.release()
