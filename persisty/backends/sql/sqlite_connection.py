"""The connection of a process to a SQLite file. `sqlite_errors` gives the meaning of its errors.

One connection serves the process, with a lock around each call: SQLite allows one writer at a time, and a reader waits at most as long as a
statement takes. Other processes may use the same file (WAL).

```
lock free                            the statement runs at once
lock of another thread               a read runs on a spare connection: in WAL, no writer blocks a reader; a write waits
lock of another process              the write is repeated until it succeeds
either, after MAX_WAIT seconds       BackendUnavailable with Retry-After
either, in an event loop             WouldWait before the first write, see `store/wait_limits.py`
statement over MAX_RUN_IN_LOOP       in an event loop: WouldWait; for a server's read in a thread: a spare connection, so that writes are not blocked
statement longer than the request    InvalidQuery
```

A file that was deleted or replaced is detected within FILE_CHECK seconds. SQLite would go on using the unlinked file, whose data is lost with the process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import quote

from ...errors import AnswerTooLarge, BackendUnavailable
from ...store.wait_limits import WouldWait, in_attempt, this_thread
from .dialect import Enough
from .sqlite import add_functions
from .sqlite_errors import BUSY, FAILING, code_of, locked, typed

X = TypeVar("X")
Run = Callable[[sqlite3.Connection, str, Any], X]
Command = tuple[str, Sequence[Any]]
"""A statement and its arguments."""
OUTER = ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
INNER = ("SAVEPOINT inner", "RELEASE inner", "ROLLBACK TO inner")
"""RELEASE and ROLLBACK TO refer to the latest savepoint of the name. ROLLBACK TO does not remove it."""
PRAGMAS = ("journal_mode = WAL",)
READS = ("SELECT", "WITH _sought")
"""The first words of statements that only read."""
MAX_WAIT = 5.0
"""Seconds that a call waits for a lock."""
MAX_WAIT_IN_LOOP = 0.25
"""Seconds that a call waits for a lock in an event loop, after the first write of a request."""
PAUSE, LONGEST_PAUSE = 0.001, 0.05
"""Seconds before the first retry of a write that found the file locked. They double up to the second number."""
MAX_RUN_IN_LOOP = 0.02
"""Seconds that a statement may take in an event loop."""
STEPS = 20_000
"""Instructions of SQLite between checks of a statement's time: a fraction of a millisecond."""
FILE_CHECK = 0.1
"""Seconds between checks of the file."""
SPARE = 8
"""Most spare connections that stay open."""
PROBE = (
    "CREATE TABLE IF NOT EXISTS persisty_probe (value BLOB)",
    "INSERT INTO persisty_probe VALUES (zeroblob(65536))",
)
PROBED = "DROP TABLE persisty_probe"


def _fetched(raw: sqlite3.Connection, text: str, arguments: Any) -> list[tuple[Any, ...]]:
    return raw.execute(text, arguments).fetchall()


def _fetched_until(enough: Enough, raw: sqlite3.Connection, text: str, arguments: Any) -> list[tuple[Any, ...]]:
    cursor = raw.execute(text, arguments)
    rows: list[tuple[Any, ...]] = []
    try:
        while some := cursor.fetchmany(enough.at_once):
            rows += some
            if enough(some):
                return rows + cursor.fetchmany(1)
        return rows
    finally:
        cursor.close()


def _counted(raw: sqlite3.Connection, text: str, arguments: Any) -> int:
    return raw.execute(text, arguments).rowcount


def _counted_each(raw: sqlite3.Connection, text: str, arguments: Any) -> int:
    return raw.executemany(text, arguments).rowcount


def _counted_together(raw: sqlite3.Connection, text: str, arguments: tuple[Sequence[Any], Sequence[Command]]) -> int:
    own, others = arguments
    begin, commit, rollback = OUTER
    raw.execute(begin)
    try:
        count = raw.execute(text, own).rowcount
        if count:
            for other, values in others:
                raw.execute(other, values)
        raw.execute(commit)
    except BaseException:
        if raw.in_transaction:
            raw.execute(rollback)
        raise
    return count


def _make_private(path: str) -> None:
    """Create the file of a database with permissions for its owner alone, if there is none. Its WAL gets the same."""
    with suppress(OSError):  # an existing file, or a mistake that SQLite reports
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


class SqliteConnection:
    """Raises `BackendUnavailable` for the driver's errors. `synchronous`: SQLite's pragma."""

    def __init__(self, path: str, synchronous: str = "normal") -> None:
        self.lock = threading.RLock()
        self._path = None if path == ":memory:" else os.path.abspath(path)
        self._spare: list[sqlite3.Connection] = []
        self._failing = False
        self._file_check_at = self._begun = float("inf")
        if self._path is not None:
            _make_private(self._path)
        try:
            self._raw = sqlite3.connect(
                path, timeout=MAX_WAIT, isolation_level=None, check_same_thread=False, cached_statements=512
            )
            for pragma in (*PRAGMAS, f"synchronous = {synchronous}", "busy_timeout = 0"):
                self._raw.execute(f"PRAGMA {pragma}")
            add_functions(self._raw)
            self._raw.set_progress_handler(self._has_to_stop, STEPS)
        except sqlite3.Error as error:
            raise typed(error) from error
        if self._path is not None:
            self._identity = _identity(self._path)
            self._file_check_at = 0.0

    def rows(self, text: str, arguments: Sequence[Any] = (), enough: Enough | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows, until there are `enough` rows and one more."""
        fetch = _fetched if enough is None else partial(_fetched_until, enough)
        if not text.startswith(READS):
            return self._write(fetch, text, arguments)
        now = monotonic()
        if now > self._file_check_at:
            self._check_file()
        if not self.lock.acquire(False):
            return self._read_on_spare(fetch, text, arguments)
        try:
            self._begun = now
            return fetch(self._raw, text, arguments)
        except sqlite3.Error as error:
            if code_of(error) != sqlite3.SQLITE_INTERRUPT or _overdue():
                return self._repeated(fetch, text, arguments, error)
            if in_attempt():
                raise WouldWait from error
        finally:
            self.lock.release()
        return self._read_on_spare(fetch, text, arguments)

    def changed(self, text: str, arguments: Sequence[Any]) -> int:
        """Run a statement and return the number of changed rows."""
        return self._write(_counted, text, arguments)

    def each_changed(self, text: str, arguments: Sequence[Sequence[Any]]) -> int:
        """Run a statement for each of the arguments and return the number of changed rows."""
        return self._write(_counted_each, text, arguments)

    def changed_together(self, text: str, arguments: Sequence[Any], others: Sequence[Command]) -> int:
        """Run a statement and, if it changes a row, other statements, in a transaction of their own. Returns the number of rows that the first has changed."""
        return self._write(_counted_together, text, (arguments, others))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction. It takes the write lock at the start, so no other writer changes the rows that it reads. A nested
        transaction is a part of the outer one, with its own rollback."""
        self._acquire()
        try:
            begin, commit, rollback = INNER if self._raw.in_transaction else OUTER
            self.rows(begin)
            try:
                yield
                self.rows(commit)
            except BaseException:
                self._undo(rollback, commit if begin is INNER[0] else None)
                raise
        finally:
            self.lock.release()

    def check_writes(self) -> None:
        """Raise `BackendUnavailable` if writes fail. Only after a failed write, it writes a probe of the size of some items."""
        if self._failing:
            with self.transaction():
                for text in PROBE:
                    self.rows(text)
            self.rows(PROBED)

    def close(self) -> None:
        with self.lock:
            self._raw.close()
            while self._spare:
                self._spare.pop().close()

    def _write(self, run: Run[X], text: str, arguments: Any) -> X:
        now = monotonic()
        if now > self._file_check_at:
            self._check_file()
        self._acquire()
        try:
            self._begun = now if in_attempt() else float("inf")
            try:
                found = run(self._raw, text, arguments)
            except sqlite3.Error as error:
                found = self._repeated(run, text, arguments, error)
            attempt = this_thread.attempt
            if attempt is not None and attempt.release is None:
                self.lock.acquire()
                attempt.release = self.lock.release
            self._failing = False
            return found
        finally:
            self.lock.release()

    def _acquire(self) -> None:
        """Take the lock."""
        if self.lock.acquire(False):
            return
        attempt = this_thread.attempt
        if attempt is not None and not attempt.wrote:
            raise WouldWait
        if not self.lock.acquire(timeout=MAX_WAIT if attempt is None else MAX_WAIT_IN_LOOP):
            raise locked()

    def _repeated(self, run: Run[X], text: str, arguments: Any, error: sqlite3.Error) -> X:
        """Return the result of a statement that another process's lock has stopped. Raise the typed error of any other failure."""
        attempt = this_thread.attempt
        if code_of(error) == sqlite3.SQLITE_INTERRUPT and in_attempt():
            raise WouldWait from error
        until = monotonic() + (MAX_WAIT if attempt is None else MAX_WAIT_IN_LOOP)
        pause = PAUSE
        while code_of(error) in BUSY:
            if attempt is not None and not attempt.wrote:
                raise WouldWait
            if monotonic() > until:
                break
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                return run(self._raw, text, arguments)
            except sqlite3.Error as again:
                error = again
        if code_of(error) in FAILING:
            self._failing = True
        raise typed(error, text) from error

    def _read_on_spare(
        self, fetch: Run[list[tuple[Any, ...]]], text: str, arguments: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Read on a spare connection. A database in memory has one connection only, so the read waits for it."""
        if self._path is None:
            return self._write(fetch, text, arguments)
        try:
            spare = self._spare.pop()
        except IndexError:
            spare = self._opened()
        begun = monotonic()
        spare.set_progress_handler(
            lambda: _overdue() or (in_attempt() and monotonic() - begun > MAX_RUN_IN_LOOP), STEPS
        )
        try:
            rows = fetch(spare, text, arguments)
        except AnswerTooLarge:
            spare.close()
            raise
        except sqlite3.Error as error:
            spare.close()
            if code_of(error) == sqlite3.SQLITE_INTERRUPT and in_attempt():
                raise WouldWait from error
            raise typed(error, text) from error
        if len(self._spare) < SPARE:
            self._spare.append(spare)
        else:
            spare.close()
        return rows

    def _opened(self) -> sqlite3.Connection:
        """Open a spare connection, which can only read."""
        try:
            spare = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            add_functions(spare)
        except sqlite3.Error as error:
            raise typed(error) from error
        return spare

    def _has_to_stop(self) -> bool:
        """Return whether to interrupt the statement. SQLite calls this every `STEPS` instructions. `_begun` is infinite for a write without a limit."""
        if _overdue():
            return True
        if monotonic() - self._begun < MAX_RUN_IN_LOOP:
            return False
        return in_attempt() or (
            this_thread.until is not None and self._path is not None and not self._raw.in_transaction
        )

    def _undo(self, rollback: str, release: str | None) -> None:
        """Roll back a transaction or a part of one, even if the file was deleted."""
        if not self._raw.in_transaction:  # a full disk, for example, has already ended it
            return
        try:
            self._raw.execute(rollback)
            if release is not None:
                self._raw.execute(release)
        except sqlite3.Error as error:
            raise typed(error) from error

    def _check_file(self) -> None:
        """Raise `BackendUnavailable` if the path no longer leads to the file that is open."""
        if _identity(str(self._path)) != self._identity:
            raise BackendUnavailable("SQLite: the file of the database was deleted or replaced")
        self._file_check_at = monotonic() + FILE_CHECK


def _identity(path: str) -> tuple[int, int] | None:
    """Return the identity of the file at a path, None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _overdue() -> bool:
    """Return whether this thread's request has run out of time."""
    return this_thread.until is not None and monotonic() > this_thread.until
