"""Writers and readers of older code, and what they have stored.

DynamoDB Local answers a write with a 500 for about a second after each UpdateTable that adds an index: it writes a column of its own table that it has not
added yet (`table has no column named indexKey_0` in its log). persisty sends such a write again, four times in all, which is not always enough. So the
load sends these, and only these, again, and counts them. AWS has no such second.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from time import sleep
from typing import Any

from persisty import App, BackendUnavailable
from persisty.store.store import Store

from .shop import ATTRIBUTES, Older

VALUES: dict[str, tuple[Any, ...]] = {
    "color": ("red", "green", "blue"),
    "maker": ("volvo", "saab"),
    "place": ("berlin", "london"),
    "plate": ("none", "some"),
    "year": (1999, 2026),
}


FAULT = "DynamoDB: InternalFailure"


class Load:
    """Threads that create, update, delete and read, each items of its own. `items`: what has to be stored. `failures`: the requests that failed.
    `resent`: those that DynamoDB Local could not carry out at first."""

    def __init__(self, app: App, threads: int) -> None:
        self._store: Store[Any] = app.store(Older)
        self._stopped = threading.Event()
        self.items: dict[str, dict[str, Any]] = {}
        self.requests, self.failures, self.resent = [0] * threads, list[BaseException](), 0
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def fill(self, count: int) -> None:
        """Store items before the threads begin."""
        chance = random.Random(7)
        rows = [{"id": f"f{number}", **_some(chance)} for number in range(count)]
        for row in rows:
            self._store.create(row)
        self.items |= {row["id"]: row for row in rows}

    def _run(self, thread: int) -> None:
        chance, mine, number = random.Random(thread), list[str](), 0
        while not self._stopped.is_set():
            number += 1
            try:
                self._write(chance, mine, f"t{thread}-{number}")
                if mine:
                    key = chance.choice(mine)
                    found = self._store.read(key)
                    assert found is not None
                    assert {name: getattr(found, name) for name in ATTRIBUTES} | {"id": key} == self.items[key]
                self.requests[thread] += 2
            except BaseException as error:
                self.failures.append(error)

    def _write(self, chance: random.Random, mine: list[str], key: str) -> None:
        choice = chance.random()
        if choice < 0.5 or not mine:
            row = {"id": key, **_some(chance)}
            self._sent(lambda: self._store.create(row))
            self.items[key] = row
            mine.append(key)
        elif choice < 0.85:
            key = chance.choice(mine)
            changes = {name: value for name, value in _some(chance).items() if chance.random() < 0.5}
            self._sent(lambda: self._store.update(key, changes))
            self.items[key] |= changes
        else:
            key = mine.pop(chance.randrange(len(mine)))
            assert self._sent(lambda: self._store.delete(key))
            del self.items[key]

    def _sent(self, write: Callable[[], Any]) -> Any:
        """Carry out a write, again while DynamoDB Local adds a column."""
        for _ in range(100):
            try:
                return write()
            except BackendUnavailable as error:
                if error.message != FAULT:
                    raise
                self.resent += 1
                sleep(0.1)
        raise BackendUnavailable(FAULT)


def _some(chance: random.Random) -> dict[str, Any]:
    return {name: chance.choice(values) for name, values in VALUES.items()}
