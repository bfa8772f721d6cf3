"""Connections to a server: a bounded pool, and the meaning of the driver's errors.

The driver is psycopg 3. A connection that died while idle is detected before use and replaced. A failed call is tried again if nothing can have been done
twice: the server said that it did nothing (a deadlock, a shutdown), or the statement only reads. If the response to a write was lost, its fate is unknown,
and the caller is told so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import sleep
from typing import TypeVar

import psycopg
from psycopg import errors

from ....backoff import ATTEMPTS, backoff
from ....errors import BackendUnavailable, Fault, InvalidInput, PersistyError
from .session import Session

X = TypeVar("X")
PATIENCE = 30.0
"""Seconds to wait for a connection that is free."""
REPEATABLE: tuple[type[psycopg.Error], ...] = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
)
"""Refusals after which nothing was done and another attempt may succeed."""
OUTDATED: tuple[type[psycopg.Error], ...] = (errors.InvalidSqlStatementName, errors.ReadOnlySqlTransaction)
"""Refusals that a new session may not meet: a pooler in between gave this one another server, or its server became a replica."""
STALE_PLAN = "cached plan must not change result type"
"""Message of a server whose prepared statement is older than a change of its table."""


class Lost(Exception):
    """The server could not be reached or refused for now. `in_doubt`: it may have done what it was asked all the same."""

    def __init__(self, in_doubt: bool) -> None:
        self.in_doubt = in_doubt
        super().__init__()


class Pool:
    """At most `size` sessions at a time, opened when they are needed and kept. `settings`: statements that begin a session."""

    def __init__(self, conninfo: str, settings: str, size: int) -> None:
        self._conninfo, self._settings = conninfo, settings
        self._free = threading.Semaphore(size)
        self._idle: list[Session] = []
        self._closed = False

    def run(self, work: Callable[[Session], X], *, repeatable: bool = False) -> X:
        """Return the result of `work`, with a session of its own.

        Call it again after a temporary fault that certainly did nothing, or after any temporary fault if the work is `repeatable`.
        """
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
        """Return a session to the pool. Roll back what was not committed."""
        try:
            if not session.raw.closed:
                session.rollback()
        except psycopg.Error:
            session.close()
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
            if isinstance(error, OUTDATED) or STALE_PLAN in str(error):
                session.close()
                raise Lost(in_doubt=False) from error
            if error.sqlstate is None and session.raw.closed:
                raise Lost(session.in_doubt) from error
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
