"""Graceful shutdown: when the signal to stop arrives, the server stops being ready and running requests may end.

uvicorn or gunicorn has its own signal handler, which closes the listening sockets and waits. The handler here runs before it and can delay it.
During the delay, a load balancer learns from `/ready` to send no more requests.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_shutdown(drain: Callable[[], None], delay: float) -> Iterator[None]:
    """Call `drain` when a signal to stop arrives. The first SIGTERM is passed on after `delay` seconds, a second one and SIGINT at once.

    Only the main thread can handle signals. In any other thread nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {one: signal.getsignal(one) for one in SIGNALS}
    draining = False

    def pass_on(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if callable(handler):
            handler(number, frame)

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal draining
        first, draining = not draining, True
        drain()
        if first and delay and number == signal.SIGTERM:
            loop.call_soon_threadsafe(loop.call_later, delay, pass_on, number, None)
        else:
            pass_on(number, frame)

    # a signal without a handler keeps its default action
    handled = [one for one in SIGNALS if callable(before[one])]
    for one in handled:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one in handled:
            signal.signal(one, before[one])
