"""Being told to stop: from that moment the server is not ready, and what is running may end.

Whoever runs the loop (uvicorn, gunicorn) has its own handler of the signal, which closes the listening sockets and waits. Ours stands
before it, and can hold it back for a while, in which a load balancer learns from `/ready` to send nothing more.
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
def told_to_stop(note: Callable[[], None], delay: float) -> Iterator[None]:
    """Call `note` when a signal to stop comes. A SIGTERM is handed on after `delay` seconds, a second one at once, as Ctrl-C is.

    Only the main thread may handle signals: in any other nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {one: signal.getsignal(one) for one in SIGNALS}
    told = False

    def pass_on(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if callable(handler):
            handler(number, frame)

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal told
        first, told = not told, True
        note()
        if first and delay and number == signal.SIGTERM:
            loop.call_soon_threadsafe(loop.call_later, delay, pass_on, number, None)
        else:
            pass_on(number, frame)

    # a signal that nobody handles here ends the process as it always does
    handled = [one for one in SIGNALS if callable(before[one])]
    for one in handled:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one in handled:
            signal.signal(one, before[one])
