"""A store with an item cache over an engine whose calls are counted and can be paused."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from persisty import (
    Attr,
    Cache,
    Store,
    stored,
)
from persisty.store.backend import Engine
from persisty.store.change_feed import Feed
from persisty.store.change_path import ChangePath
from persisty.store.connection import Connection
from persisty.store.context import StoreContext
from persisty.store.store import context_of
from persisty.store.transactions import Transactions

from ...counting import Counted, counted

SECONDS = 60


@stored(cache=Cache(seconds=SECONDS, items=3))
class Note:
    id: str
    count: int = 0
    tags: list[str] = Attr(factory=list)


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Paused:
    """Pause the engine once, after it has read and before it returns or raises an error."""

    def __init__(self, backend: Any, error: BaseException | None = None) -> None:
        self._read, self._backend, self._error = backend.read, backend, error
        self.reached, self.go = threading.Event(), threading.Event()
        backend.read = self

    def __call__(self, keys: Any) -> Any:
        found = self._read(keys)
        self._backend.read = self._read
        self.reached.set()
        assert self.go.wait(10)
        if self._error is not None:
            raise self._error
        return found


class Place:
    """A store with a cache, the engine's own backend under it, and the clock."""

    def __init__(self, item: type[Any], engine: Engine) -> None:
        self.clock = Time()
        self.meta = item.__persisty__
        self.engine = Connection(engine, cached=True, clock=self.clock)
        self.engine.prepare((self.meta,))
        self.store: Store[Any] = Store(StoreContext(self.meta, lambda: self.engine.open(self.meta)))
        self.backend: Any = context_of(self.store).backend
        plain = ChangePath(self.backend, Transactions(engine, Feed()), Feed())
        self.uncached: Store[Any] = Store(StoreContext(self.meta, lambda: plain))

    @contextmanager
    def counted(self) -> Iterator[Counted]:
        with counted(self.backend) as counting:
            yield counting
