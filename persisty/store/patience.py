"""Calls of an engine that may not wait for a lock of another thread or process.

An event loop may not: while it waits, nothing else is answered. A server calls an embedded engine in its event loop, within `attempting`. An engine
that would have to wait there raises `WouldWait`, and the server repeats the request in a thread, where the engine may wait. Nothing is
done twice: `WouldWait` is only raised before the first write of an attempt. From then on, the attempt has the engine's lock until its end, so that
no other thread comes in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

X = TypeVar("X")


class WouldWait(BaseException):
    """The call would have to wait. Not an `Exception`: on the way to the server it is no error of the request."""


class Attempt:
    """A call that may not wait. `wrote`: it has written; `release` then ends its hold of the engine's lock."""

    release: Callable[[], None] | None = None

    @property
    def wrote(self) -> bool:
        """Return whether the attempt can no longer be repeated."""
        return self.release is not None


class _Thread(threading.local):
    attempt: Attempt | None = None


this_thread = _Thread()
"""The attempt of this thread, if it may not wait."""


def attempting(call: Callable[..., X], *arguments: object) -> X:
    """Return the result of a call in which this thread may not wait. `WouldWait` if it would have to; then it has written nothing."""
    attempt = this_thread.attempt = Attempt()
    try:
        return call(*arguments)
    finally:
        this_thread.attempt = None
        if attempt.release is not None:
            attempt.release()
