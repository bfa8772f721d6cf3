"""Record the calls of a backend, and call a function of the test before each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

CALLS = ("read", "write", "query", "query_each", "count", "aggregate", "write_all", "allocate", "explain")
Before = Callable[[str], None]


class Counted:
    """Recorded calls. `calls`: their names in order."""

    def __init__(self, before: Before | None = None) -> None:
        self.calls: list[str] = []
        self._before = before

    def call(self, name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.calls.append(name)
        if self._before is not None:
            self._before(name)
        return call(*arguments, **named)


@contextmanager
def counted(backend: Any, before: Before | None = None) -> Iterator[Counted]:
    """Record the calls of the backend in this block. `before` is called with the name of each call."""
    counting = Counted(before)
    for name in CALLS:
        setattr(backend, name, partial(counting.call, name, getattr(backend, name)))
    try:
        yield counting
    finally:
        for name in CALLS:
            delattr(backend, name)
