"""Connections to a server: a bounded pool of them, and what the driver's errors mean.

The driver is psycopg 3. A connection that died while it lay idle is seen before it is used, and replaced. What failed is
tried again where nothing can have been done twice: the server said that it did nothing (a deadlock, a shutdown), or the
statement only reads. Where the answer to a write was lost, nobody knows whether it was done: the caller is told so.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable, Sequence
from time import sleep
from typing import Any, TypeVar

import psycopg
from msgspec import Struct
from psycopg import errors
from psycopg.adapt import Dumper
from psycopg.raw_cursor import RawCursor
from psycopg.types.string import TextLoader

from ....errors import BackendUnavailable, Fault, InvalidInput, PersistyError
from ....store.backoff import ATTEMPTS, backoff

X = TypeVar("X")
Row = tuple[Any, ...]

PREPARED = 500
"""Statements that a connection keeps prepared on the server."""
PATIENCE = 30.0
"""Seconds to wait for a connection that is free."""
REPEATABLE: tuple[type[psycopg.Error], ...] = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
    errors.InvalidSqlStatementName,  # a pooler between us and the server gave the connection another server
)
"""Refusals after which nothing was done and another attempt may succeed."""
STALE_PLAN = "cached plan must not change result type"


class Statement(Struct, frozen=True):
    """A text and what it takes."""

    text: str
    arguments: Sequence[Any] = ()


class Answer(Struct, frozen=True):
    """The rows that a statement answered, and how many it changed or gave."""

    rows: list[Row]
    changed: int


class Lost(Exception):
    """The server could not be reached or refused for now. `in_doubt`: it may have done what it was asked all the same."""

    def __init__(self, in_doubt: bool) -> None:
        self.in_doubt = in_doubt
        super().__init__()


class _Number(Dumper):
    """A whole number as text without a type; the driver would choose one by the number's size."""

    def dump(self, obj: int) -> bytes:
        return str(obj).encode()


class Session:
    """One connection, used by one thread at a time."""

    def __init__(self, conninfo: str, settings: str) -> None:
        self.raw = psycopg.connect(conninfo, autocommit=True, cursor_factory=RawCursor)
        try:
            if self.raw.info.parameter_status("server_encoding") != "UTF8":
                raise BackendUnavailable("PostgreSQL: the encoding of the database is not UTF8")
            self.raw.prepared_max = PREPARED
            self.raw.adapters.register_dumper(int, _Number)
            self.raw.adapters.register_loader("numeric", TextLoader)
            self.raw.execute(settings)
        except BaseException:
            self.raw.close()
            raise
        self._cursor = self.raw.cursor()
        self._seen: set[str] = set()
        self._watch = selectors.DefaultSelector()
        self._watch.register(self.raw.fileno(), selectors.EVENT_READ)

    @property
    def alive(self) -> bool:
        """Not known to be dead. An idle server has nothing to say but its farewell."""
        return not self.raw.closed and not self._watch.select(0)

    def run(self, statement: Statement) -> Answer:
        """Run a statement: one round trip, also when it is the first of its text and has to be prepared."""
        if statement.text in self._seen:
            return _answer(self._cursor.execute(statement.text, statement.arguments, prepare=True))
        if len(self._seen) == PREPARED:
            self._seen.clear()
        self._seen.add(statement.text)
        [answer] = self.pipelined([statement], commits=True)
        return answer

    def pipelined(self, statements: Sequence[Statement], *, commits: bool) -> list[Answer]:
        """Send all the statements, then read all the answers: one round trip. The first error is raised; what was lost of
        statements that commit nothing has done nothing."""
        sent: list[psycopg.Cursor[Row]] = []
        first: psycopg.Error | None = None
        try:
            with self.raw.pipeline():
                try:
                    sent.extend(self.raw.cursor().execute(one.text, one.arguments, prepare=True) for one in statements)
                except psycopg.Error as error:
                    first = error  # kept from the pipeline, which would log whatever follows from it
        except psycopg.Error as error:
            first = first or error
        if first is None:
            return list(map(_answer, sent))
        if self.raw.closed and not commits:
            raise Lost(in_doubt=False) from first
        raise first

    def close(self) -> None:
        self._watch.close()
        self.raw.close()


def _answer(cursor: psycopg.Cursor[Row]) -> Answer:
    answered = (
        cursor.pgresult is not None and cursor.pgresult.nfields
    )  # a third of the time of asking for a `description`
    return Answer(cursor.fetchall() if answered else [], cursor.rowcount)


class Pool:
    """At most `size` sessions at a time, opened when they are needed and kept. `settings`: statements that begin a session."""

    def __init__(self, conninfo: str, settings: str, size: int) -> None:
        self._conninfo, self._settings = conninfo, settings
        self._free = threading.Semaphore(size)
        self._idle: list[Session] = []
        self._closed = False

    def run(self, work: Callable[[Session], X], *, repeatable: bool = False) -> X:
        """What `work` gives, with a session of its own. It is called again after a fault that may pass: one that has certainly
        done nothing, or any if the work is `repeatable`."""
        for attempt in range(ATTEMPTS):
            try:
                return self._once(work)
            except Lost as lost:
                if lost.in_doubt and not repeatable:
                    raise BackendUnavailable(
                        "PostgreSQL: the connection was lost, and whether it was written is not known", in_doubt=True
                    ) from lost.__cause__
                if attempt == ATTEMPTS - 1:
                    raise typed(lost.__cause__) from lost.__cause__
            sleep(backoff(attempt))
        raise BackendUnavailable()

    def take(self) -> Session:
        """A session that is alive. Raises `Lost`; give it back."""
        if not self._free.acquire(timeout=PATIENCE):
            raise BackendUnavailable("PostgreSQL: every connection of the pool is in use")
        try:
            while self._idle:
                session = self._idle.pop()
                if session.alive:
                    return session
                session.close()
            return Session(self._conninfo, self._settings)
        except BaseException as error:
            self._free.release()
            if isinstance(error, psycopg.Error):
                raise Lost(in_doubt=False) from error
            raise

    def give(self, session: Session) -> None:
        """What was begun and not committed is undone."""
        try:
            if not session.raw.closed:
                session.raw.rollback()  # asks the server only in a transaction
        except psycopg.Error:
            session.raw.close()
        finally:
            if self._closed or session.raw.closed:
                session.close()
            else:
                self._idle.append(session)
            self._free.release()

    def close(self) -> None:
        """Sessions that are in use are closed when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _once(self, work: Callable[[Session], X]) -> X:
        session = self.take()
        try:
            return work(session)
        except psycopg.Error as error:
            if isinstance(error, REPEATABLE):
                raise Lost(in_doubt=False) from error
            if isinstance(error, errors.FeatureNotSupported) and STALE_PLAN in str(error):
                session.close()  # with all that it has prepared
                raise Lost(in_doubt=False) from error
            if error.sqlstate is None and session.raw.closed:
                raise Lost(in_doubt=True) from error
            raise
        finally:
            self.give(session)


def _too_large() -> PersistyError:
    message = "PostgreSQL takes about 2,700 bytes as what a key or an index holds of an item"
    return InvalidInput(message, faults=[Fault("", message)])


MEANINGS: tuple[tuple[type[psycopg.Error], Callable[[], PersistyError]], ...] = (
    (errors.ProgramLimitExceeded, _too_large),
    (
        errors.InvalidSchemaName,
        lambda: BackendUnavailable("PostgreSQL: the schema is missing; `App.prepare` creates it"),
    ),
    (
        errors.UndefinedTable,
        lambda: BackendUnavailable("PostgreSQL: a table is missing; `App.prepare` creates it"),
    ),
    (
        errors.UndefinedColumn,
        lambda: BackendUnavailable("PostgreSQL: a table lacks a column of its item"),
    ),
)
"""(the driver's error, what it means to a caller)."""


def typed(error: BaseException | None) -> PersistyError:
    """The typed error of one of the driver's. What the server said stays in the cause: it may quote what is stored."""
    for kind, made in MEANINGS:
        if isinstance(error, kind):
            return made()
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return BackendUnavailable("PostgreSQL: the server cannot be reached, or the connection was lost")
    return BackendUnavailable(f"PostgreSQL: {type(error).__name__}")
