"""Connections to a server: a bounded pool, and the meaning of the driver's errors.

The driver is psycopg 3. A connection that died while idle is detected before use and replaced; one that is idle for long is closed. A failed call is tried
again if nothing can have been done twice: the server said that it did nothing (a deadlock, a shutdown), or the statement only reads. If the response to a
write was lost, the outcome is unknown, and the error says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from ....backoff import ATTEMPTS, backoff
from ....errors import BackendUnavailable, Fault, InvalidInput, PersistyError, SchemaMismatch
from ....store.limits import grown_too_long
from ..dialect import table_has_changed
from ..missing_columns import MISMATCH, does_not_exist
from .session import BEGIN, Session

X = TypeVar("X")
MAX_WAIT = 30.0
"""Seconds to wait for a free connection."""
IDLE = 300.0
"""Seconds after which an idle connection is closed."""
REPEATABLE: tuple[type[psycopg.Error], ...] = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
)
"""Refusals without an effect, after which another attempt may succeed."""
OUTDATED: tuple[type[psycopg.Error], ...] = (errors.InvalidSqlStatementName, errors.ReadOnlySqlTransaction)
"""Refusals that a new session may avoid: a pooler gave this session another server, or its server became a replica."""
FAILING: tuple[type[psycopg.Error], ...] = (errors.DiskFull, errors.IoError, errors.ReadOnlySqlTransaction)
"""Refusals after which later writes are likely to fail, too."""
STALE_PLAN = "cached plan must not change result type"
"""Message for a prepared statement that is older than a change of its table."""


class Lost(Exception):
    """The server could not be reached or refused for now. `in_doubt`: it may have carried out the statement."""

    def __init__(self, in_doubt: bool) -> None:
        self.in_doubt = in_doubt
        super().__init__()


class Pool:
    """At most `size` sessions, opened when needed and closed when idle. `prepares`: as in `Session`."""

    def __init__(self, conninfo: str, size: int, prepares: bool | None) -> None:
        self._conninfo, self._prepares = conninfo, prepares
        self._free = threading.Semaphore(size)
        self._idle: list[Session] = []
        """The idle sessions. The last used one is used next."""
        self._open: set[Session] = set()
        self._sweeping = False
        self._closed = False
        self.failing = False
        """True if the server refused a write for a reason that is likely to last."""

    def run(self, work: Callable[[Session], X], *, repeatable: bool = False) -> X:
        """Return the result of `work`, called with a session.

        Call it again after a temporary fault without an effect, or after any temporary fault if the work is `repeatable`.
        """
        answer: X = self._tried(repeatable, self._once, work)
        return answer

    def begin_later(self) -> Session:
        """Return a session whose next statement begins a transaction. Return it to the pool at the end."""
        session: Session = self._tried(True, self.take)
        session.begins = True
        return session

    def begin(self) -> Session:
        """Open a transaction in a session, and return the session to the pool at the end."""
        return self._tried(True, self._begun)

    def _tried(self, repeatable: bool, once: Callable[..., X], *arguments: Any) -> X:
        for attempt in range(ATTEMPTS):
            try:
                return once(*arguments)
            except Lost as lost:
                if lost.in_doubt and not repeatable:
                    raise BackendUnavailable(
                        "PostgreSQL: the connection was lost, and the write may have been carried out", in_doubt=True
                    ) from lost.__cause__
                if attempt == ATTEMPTS - 1:
                    error = typed(lost.__cause__)
                    error.add_note(f"PostgreSQL at {server_of(self._conninfo)}")  # a response to a caller has no notes
                    raise error from lost.__cause__
            sleep(backoff(attempt))
        raise BackendUnavailable()

    def take(self) -> Session:
        """Return a live session, which the caller has to return to the pool. Raises `Lost`."""
        if not self._free.acquire(timeout=MAX_WAIT):
            raise _used_up()
        try:
            return self._reused() or self._opened()
        except BaseException as error:
            self._free.release()
            if isinstance(error, psycopg.Error):
                raise Lost(in_doubt=False) from error
            raise

    def _reused(self) -> Session | None:
        while self._idle:
            try:
                session = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if session.alive:
                return session
            self._end(session)
        return None

    def _opened(self) -> Session:
        """Return a new session. If the server takes no more connections, wait for one of the pool's."""
        until, attempt = monotonic() + MAX_WAIT, 0
        while True:
            try:
                session = Session(self._conninfo, self._prepares)
            except psycopg.OperationalError as error:
                if not self._open:
                    raise
                if monotonic() > until:
                    raise _used_up() from error
            else:
                self._open.add(session)
                return session
            sleep(backoff(min(attempt, 2)))
            attempt += 1
            returned = self._reused()
            if returned is not None:
                return returned

    def give(self, session: Session) -> None:
        """Return a session to the pool. Roll back what was not committed."""
        try:
            if not session.raw.closed:
                session.rollback()
        except psycopg.Error:
            session.close()
        finally:
            if self._closed or session.raw.closed:
                self._end(session)
            else:
                session.used = monotonic()
                self._idle.append(session)
                if not self._sweeping:
                    self._sweep_later(IDLE)
            self._free.release()

    def _end(self, session: Session) -> None:
        self._open.discard(session)
        session.close()

    def _sweep_later(self, seconds: float) -> None:
        self._sweeping = True
        timer = threading.Timer(seconds, self._sweep)
        timer.daemon = True
        timer.start()

    def _sweep(self) -> None:
        """Close the sessions that have been idle for too long. Schedule the next check while others are open."""
        while self._idle:
            try:
                session = self._idle.pop(0)
            except IndexError:  # it was taken in between
                break
            idle_left = session.used + IDLE - monotonic()
            if idle_left > 0:
                self._idle.insert(0, session)
                self._sweep_later(idle_left)
                return
            self._end(session)
        self._sweeping = False

    def close(self) -> None:
        """Close the pool. Sessions in use are closed when they are returned."""
        self._closed = True
        while self._idle:
            self._end(self._idle.pop())

    def _once(self, work: Callable[[Session], X]) -> X:
        session = self.take()
        try:
            return work(session)
        except psycopg.Error as error:
            self.note(error)
            self._raise_lost(session, error)
            raise
        finally:
            self.give(session)

    def note(self, error: psycopg.Error) -> None:
        """Record an error after which later writes are likely to fail, too."""
        if isinstance(error, FAILING):
            self.failing = True

    def _begun(self) -> Session:
        session = self.take()
        try:
            session.run(BEGIN)
        except BaseException as error:
            self.give(session)
            if isinstance(error, psycopg.Error):
                self._raise_lost(session, error)
                raise typed(error) from error
            raise
        return session

    def has_undone(self, session: Session, error: psycopg.Error) -> bool:
        """Return whether an error has ended the transaction of a session, and another attempt at all of it may succeed."""
        if isinstance(error, REPEATABLE):
            return True
        try:
            if session.failed or session.raw.closed:  # otherwise, the error has ended the part up to a savepoint
                self._raise_lost(session, error)
        except Lost:
            return True
        return False

    def _raise_lost(self, session: Session, error: psycopg.Error) -> None:
        """Raise `Lost` if another attempt may succeed."""
        if isinstance(error, REPEATABLE):
            raise Lost(in_doubt=False) from error
        if isinstance(error, errors.InvalidSqlStatementName) and self._prepares is None:
            self._prepares = False  # a pooler that was not detected
        if isinstance(error, OUTDATED) or STALE_PLAN in str(error):
            session.close()
            raise Lost(in_doubt=False) from error
        if is_lost(error) and session.raw.closed:
            raise Lost(session.in_doubt) from error


def is_lost(error: BaseException | None) -> bool:
    """Return whether an error says that the connection was lost: the driver's own, or a pooler's about the server behind it (class 08). Any
    other error is the server's response."""
    state = getattr(error, "sqlstate", None)
    return state is None or str(state).startswith("08")


def _used_up() -> BackendUnavailable:
    return BackendUnavailable("PostgreSQL: every connection of the pool is in use")


def _too_large() -> PersistyError:
    return InvalidInput(TOO_LONG, faults=[Fault("", TOO_LONG)])


TOO_LONG = "PostgreSQL takes at most about 2,700 bytes of an item in a key or an index"
"""Message for a value that is too long. `index_sizes` names its attribute."""
MEANINGS: tuple[tuple[type[psycopg.Error], Callable[[], PersistyError]], ...] = (
    (errors.ProgramLimitExceeded, _too_large),
    (errors.DivisionByZero, grown_too_long),
    (errors.NotNullViolation, table_has_changed),
    (errors.CheckViolation, table_has_changed),
    (
        errors.InvalidSchemaName,
        lambda: SchemaMismatch("The schema of the database does not exist. `App.prepare` creates it"),
    ),
    (
        errors.InsufficientPrivilege,
        lambda: BackendUnavailable("PostgreSQL: the role of the URL lacks a privilege for this statement"),
    ),
    (errors.DiskFull, lambda: BackendUnavailable("PostgreSQL: the disk of the server is full")),
    (errors.ReadOnlySqlTransaction, lambda: BackendUnavailable("PostgreSQL: the server takes no writes")),
)
"""(the driver's error, the text for the caller)."""
UNFITTING: tuple[type[psycopg.Error], ...] = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,  # of an operator: a column has another type
    errors.DatatypeMismatch,
    errors.InvalidTextRepresentation,  # of a parameter, for the same reason
    errors.InvalidDatetimeFormat,
    errors.DatetimeFieldOverflow,
    errors.InvalidColumnReference,  # an upsert without its unique index
)
"""Refusals of statements whose table does not fit the declaration."""


def server_of(conninfo: str) -> str:
    """Return host, port and database of a connection, without user and password."""
    options = conninfo_to_dict(conninfo)
    host = options.get("host") or options.get("hostaddr") or "the local socket"
    return f"{host}:{options.get('port') or 5432}/{options.get('dbname') or ''}"


def typed(error: BaseException | None, statement: str = "") -> PersistyError:
    """Return the typed error of an error of the driver. The server's message is only in the cause, because it may quote stored values. `statement`:
    the text of the statement that failed."""
    for kind, made in MEANINGS:
        if isinstance(error, kind):
            return made()
    if isinstance(error, UNFITTING):
        return does_not_exist(str(error), statement) or SchemaMismatch(MISMATCH)
    if isinstance(error, psycopg.OperationalError) and is_lost(error):
        return BackendUnavailable("PostgreSQL: the server cannot be reached, or the connection was lost")
    return BackendUnavailable(f"PostgreSQL: {type(error).__name__}")
