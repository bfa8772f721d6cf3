"""`Connection` over a pool: each statement gets its own session; those of a transaction share one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from ....errors import BackendUnavailable
from ....store.transactions import Undone
from ..dialect import Enough, UniqueTaken
from .pool import Pool, is_lost, typed
from .session import COMMIT, RELEASE, SAVE, UNDONE, Answer, Row, Session, Statement

X = TypeVar("X")


PROBE = tuple(
    map(
        Statement,
        (
            "BEGIN",
            "CREATE TEMPORARY TABLE persisty_probe ON COMMIT DROP AS "
            "SELECT md5(random()::text) AS value FROM generate_series(1, 2048)",
            "ROLLBACK",
        ),
    )
)
"""The statement of the probe: it writes 64 KB, which are removed at the commit."""


CHUNKS_SINCE = 170000
"""The version of libpq that returns rows in chunks."""
DROPPED = 4
"""Chunks that are read and dropped after enough rows. Beyond them, a new session is faster."""


class PostgresConnection:
    """`uniques`: SQL name of a unique index → its columns."""

    def __init__(self, conninfo: str, size: int, prepares: bool | None) -> None:
        self.uniques: dict[str, tuple[str, ...]] = {}
        self._pool = Pool(conninfo, size, prepares)
        self._thread = threading.local()

    def rows(self, text: str, arguments: Sequence[Any] = (), enough: Enough | None = None) -> list[Row]:
        statement, reads = Statement(text, arguments), text.startswith("SELECT")
        if enough is None:
            return self._answer(statement, reads=reads).rows

        def work(session: Session) -> list[Row]:
            enough.restart()
            return _rows_until(session, statement, enough)

        return self.run(work, repeatable=reads, text=text)

    def changed(self, text: str, arguments: Sequence[Any]) -> int:
        return self._answer(Statement(text, arguments), reads=False).changed

    def _answer(self, statement: Statement, *, reads: bool) -> Answer:
        if reads or not self.inside:
            return self.run(lambda session: session.run(statement), repeatable=reads, text=statement.text)
        return self.run(lambda session: session.alone(statement), text=statement.text)

    def run(self, work: Callable[[Session], X], *, repeatable: bool = False, text: str = "") -> X:
        """Return the result of `work`, with the session of this thread's transaction, or with another session; see `Pool.run`. `text`: the
        statement, if it is one."""
        session: Session | None = getattr(self._thread, "session", None)
        try:
            return self._pool.run(work, repeatable=repeatable) if session is None else work(session)
        except errors.UniqueViolation as error:
            raise self.taken(error) from error
        except psycopg.Error as error:
            self._pool.note(error)
            made = typed(error, text)
            if session is not None and self._pool.has_undone(session, error):
                made = Undone(made.message)
            raise made from error

    def taken(self, error: errors.UniqueViolation) -> UniqueTaken:
        """Return the unique index of the violation."""
        return UniqueTaken(self.uniques.get(error.diag.constraint_name or "", ()))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction of this thread. Each statement reads the data that was committed when it began. A nested
        transaction is a part of the outer one, with its own rollback."""
        if self.inside:
            with self._inner():
                yield
            return
        with self._within(self._pool.begin()) as session:
            yield
            self._commit(session)

    @contextmanager
    def brief_transaction(self) -> Iterator[None]:
        """Open a transaction of this thread for one write: BEGIN is sent with its first statement, and the write has no savepoint."""
        with self._within(self._pool.begin_later(), brief=True) as session:
            yield
            if not (session.begins or session.failed):  # the write was refused
                self._commit(session)

    @contextmanager
    def _within(self, session: Session, *, brief: bool = False) -> Iterator[Session]:
        self._thread.session, self._thread.last, self._thread.brief = session, [], brief
        try:
            yield session
        finally:
            self._thread.session, self._thread.brief = None, False
            self._pool.give(session)  # which rolls back the uncommitted changes

    @property
    def brief(self) -> bool:
        """Return whether this thread is in a transaction for one write."""
        return getattr(self._thread, "brief", False)

    def _commit(self, session: Session) -> None:
        if session.failed:
            raise BackendUnavailable("PostgreSQL: an error has ended the transaction")
        try:
            self.run(lambda session: session.pipelined((*self._thread.last, COMMIT)))
        except BackendUnavailable as error:
            error.details |= {"in_doubt": True} if is_lost(error.__cause__) and session.in_doubt else {}
            raise

    def at_commit(self, text: str, arguments: Sequence[Any]) -> None:
        """Run a statement at the end of the transaction of this thread, in one round trip with its commit."""
        self._thread.last.append(Statement(text, arguments))

    @property
    def inside(self) -> bool:
        """Return whether this thread is in a transaction."""
        return getattr(self._thread, "session", None) is not None

    @contextmanager
    def _inner(self) -> Iterator[None]:
        self.run(lambda session: session.run(SAVE))
        try:
            yield
        except BaseException:
            self.run(lambda session: session.pipelined(UNDONE))
            raise
        self.run(lambda session: session.run(RELEASE))

    def check_writes(self) -> None:
        """Raise `BackendUnavailable` if writes fail. Only after a failed write, it writes a probe of the size of some items.

        For a role that may not create temporary tables, only its next write can show that writes work again.
        """
        if self._pool.failing:
            try:
                self._pool.run(lambda session: session.pipelined(PROBE), repeatable=True)
            except errors.InsufficientPrivilege:
                pass  # its next write will show it
            except psycopg.Error as error:
                raise typed(error) from error
            self._pool.failing = False

    def close(self) -> None:
        self._pool.close()


def _rows_until(session: Session, statement: Statement, enough: Enough) -> list[Row]:
    """Return the rows of a statement until there are `enough`, and one more. An older libpq has all rows in memory before the first is seen."""
    if psycopg.pq.version() < CHUNKS_SINCE:
        rows = session.run(statement).rows
        enough(rows)
        return rows
    found: list[Row] = []
    inside, complete = session.inside, False
    chunks = session.chunks(statement, enough.at_once)
    try:
        for some in chunks:
            found += some[:1] if complete else some
            if complete:
                break
            complete = enough(some)
    finally:
        _drop(session, chunks, inside)
    return found


def _drop(session: Session, chunks: Iterator[list[Row]], inside: bool) -> None:
    """Read the other rows and drop them, or close the session, unless a transaction needs it."""
    for count, _ in enumerate(chunks):
        if count >= DROPPED and not inside:
            session.close()
            return
