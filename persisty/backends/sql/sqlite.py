"""SQLite: how a file is opened, what persisty teaches it, and what its errors mean.

One connection serves the process, a lock around each call: SQLite itself lets one writer in at a time, and a reader
never waits longer than a statement takes. Other processes may use the file beside it (WAL).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ...errors import BackendUnavailable
from .columns import DECIMAL_COLLATION

PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 5000")


def _compare_decimals(left: str, right: str) -> int:
    a, b = Decimal(left), Decimal(right)
    return (a > b) - (a < b)


def _icontains(value: str | None, folded: str) -> bool | None:
    return None if value is None else folded in value.casefold()


def _endswith(value: str | None, text: str) -> bool | None:
    return None if value is None else value.endswith(text)


class SqliteConnection:
    """The one connection of a process to a file. Raises `BackendUnavailable` for whatever the driver raises."""

    def __init__(self, path: str) -> None:
        self.lock = threading.RLock()
        with _typed():
            self._raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
            for pragma in PRAGMAS:
                self._raw.execute(f"PRAGMA {pragma}")
            self._raw.create_collation(DECIMAL_COLLATION, _compare_decimals)
            self._raw.create_function("persisty_icontains", 2, _icontains, deterministic=True)
            self._raw.create_function("persisty_endswith", 2, _endswith, deterministic=True)

    def rows(self, text: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch what it answers."""
        with _typed(), self.lock:
            return self._raw.execute(text, arguments).fetchall()

    def changed(self, text: str, arguments: Sequence[Any]) -> int:
        """Run a statement and give the number of rows it changed."""
        with _typed(), self.lock:
            return self._raw.execute(text, arguments).rowcount

    def each_changed(self, text: str, arguments: Sequence[Sequence[Any]]) -> bool:
        """Inside a transaction, run a statement for each of the arguments. True if each changed its row; else nothing
        is changed."""
        with _typed(), self.lock:
            self._raw.execute("SAVEPOINT each_of_them")
            done = self._raw.executemany(text, arguments).rowcount == len(arguments)
            if not done:
                self._raw.execute("ROLLBACK TO each_of_them")
            self._raw.execute("RELEASE each_of_them")
            return done

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. The write lock is taken at the start, so nothing in between can change what was read."""
        with self.lock:
            self.rows("BEGIN IMMEDIATE")
            try:
                yield
                self.rows("COMMIT")
            except BaseException:
                if self._raw.in_transaction:  # a full disk, for one, has ended it already
                    self.rows("ROLLBACK")
                raise

    def close(self) -> None:
        with self.lock:
            self._raw.close()


class _typed:
    """Driver errors become typed ones. A class: on a path of microseconds a generator is too dear."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sqlite3.Error):
            raise BackendUnavailable(f"SQLite: {error}") from error
