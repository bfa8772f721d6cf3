"""Calls of handlers: functions with or without an event, sync or async, each with its event as the context of the call."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import ContextVar, copy_context
from typing import Any

from ..model.generators import acting_as
from .event import Event

_current: ContextVar[Event[Any] | None] = ContextVar("persisty_event", default=None)


def current_event() -> Event[Any] | None:
    """Return the event whose handler is running, None outside of handlers. Its `id` is the same at every attempt: derive idempotency keys from it."""
    return _current.get()


def handle(function: Callable[..., Any], takes_event: bool, event: Event[Any], timeout: float | None = None) -> Any:
    """Call a handler with an event, on behalf of the caller of its change, and return its result. `timeout`: the most seconds of an async function.

    Raises `TypeError` if the result is a generator, because nothing in it has run.
    """
    token = _current.set(event)
    try:
        with nullcontext() if event.caller is None else acting_as(event.caller):
            call = function(event) if takes_event else function()
            if inspect.isgenerator(call) or inspect.isasyncgen(call):
                raise TypeError("A handler cannot return a generator")
            return result_of(call, timeout)
    finally:
        _current.reset(token)


def result_of(call: Any, timeout: float | None = None) -> Any:
    """Return the result of a call. Run a coroutine to its end, in another thread if this thread runs an event loop.

    Raises `TimeoutError` if a coroutine takes more than `timeout` seconds.
    """
    if not inspect.iscoroutine(call):
        return call
    run = asyncio.wait_for(call, timeout)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(copy_context().run, asyncio.run, run).result()
