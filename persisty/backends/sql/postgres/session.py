"""One connection to a server, on the driver's thin wrapper of libpq (`psycopg.pq`).

psycopg connects and turns rows into tuples. Its cursors are not used: they take longer than the server does for a read by key,
need two round trips for a new statement, and miss the last message of a server that ends the session. Statements are
prepared once. Several statements, or a new one with its preparation, are sent in one pipeline: one round trip each.

A pooler in transaction mode gives each transaction another session of the server. Then no state of a session is used:
statements are sent whole, and no setting is changed. The names of prepared statements are random, so an undetected pooler can lose
them, but never runs the statement of another client.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import TextLoader

from ....errors import BackendUnavailable

Row = tuple[Any, ...]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

PREPARED = 500
"""Most prepared statements of a session. It deallocates all when there are more."""
SETTINGS = """
SELECT pg_backend_pid(), CASE WHEN pg_backend_pid() = {0}
THEN set_config('TimeZone', 'UTC', false) || set_config('DateStyle', 'ISO', false) END
""".strip()
"""The first statement of a session. A pooler reports another process id to its clients; settings would then reach other clients."""
AS_TEXT = ("numeric", "timestamptz", "date")
"""Types whose text `dialect.COLUMNS` decodes: datetimes in a sixth of the driver's time."""
REFUSALS = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Statement(Struct, frozen=True):
    """A text and its arguments: texts, integers and nulls."""

    text: str
    arguments: Sequence[str | int | None] = ()


class Answer(Struct, frozen=True):
    """The rows of a statement, and the number of rows that it changed or returned."""

    rows: list[Row]
    changed: int


BEGIN, COMMIT, ROLLBACK = map(Statement, ("BEGIN", "COMMIT", "ROLLBACK"))
SAVE, RELEASE, UNDO = map(Statement, ("SAVEPOINT one", "RELEASE SAVEPOINT one", "ROLLBACK TO SAVEPOINT one"))
UNDONE = (UNDO, RELEASE)
"""Statements that roll back to a savepoint and release it. Otherwise the savepoint would hide an outer one of the same name."""


class Session:
    """Used by one thread at a time. Raises the driver's errors.

    `begins`: the next statement begins a transaction. `in_doubt`: if the connection is lost now, the server may have carried out the last statement. `used`: the time of its last return to the pool.
    """

    def __init__(self, conninfo: str, prepares: bool | None = None) -> None:
        """`prepares`: whether statements are prepared. None: only without a pooler."""
        self.raw = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        try:
            if self.raw.info.parameter_status("server_encoding") != "UTF8":
                raise BackendUnavailable("PostgreSQL: the encoding of the database is not UTF8")
            for kind in AS_TEXT:
                self.raw.adapters.register_loader(kind, TextLoader)
            process = self.raw.info.backend_pid
            found = self.raw.execute(SETTINGS.format(process)).fetchone()
            self._pooled = found is None or found[0] != process
            if not (self.raw.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
                raise BackendUnavailable("PostgreSQL: the DateStyle of the database or the pooler is not ISO")
        except BaseException:
            self.raw.close()
            raise
        self._pq = self.raw.pgconn
        self._rows = Transformer(self.raw)
        self._names: dict[str, bytes] = {}
        self._prepares = not self._pooled if prepares is None else prepares
        self._prefix, self._made = os.urandom(6).hex().encode(), 0
        self.in_doubt, self.used, self.begins = False, 0.0, False
        self._watch = selectors.DefaultSelector()
        self._watch.register(self._pq.socket, READ)

    @property
    def alive(self) -> bool:
        """Return whether the connection seems alive. An idle server sends nothing before it ends the session."""
        return not self.raw.closed and not self._watch.select(0)

    def run(self, statement: Statement) -> Answer:
        """Return the server's response to a statement."""
        if self.begins or (statement.text not in self._names and self._can_prepare(1)):
            [answer] = self.pipelined((statement,))
            return answer
        self._send(statement)
        return self._answer(self._results(1)[0])

    def chunks(self, statement: Statement, size: int) -> Iterator[list[Row]]:
        """Yield the rows of a statement as they arrive, up to `size` at a time. The caller iterates to the end, or closes the session."""
        name: bytes | None = None
        if self.begins:
            self.pipelined(())
        if statement.text not in self._names and self._can_prepare(1):
            name = self._new_name()
            self._pq.enter_pipeline_mode()
            self._pq.send_prepare(name, statement.text.encode())
        self._send(statement, name)
        if name is not None:
            self._pq.pipeline_sync()
        last: PGresult | None = None
        first = True
        try:
            while self._pq.flush():
                self._wait(READ | WRITE)
            if name is not None:
                last = self._next()
                self._next()  # the end of the preparation
            if last is None or last.status not in REFUSALS:
                self._pq.set_chunked_rows_mode(size)
                while (result := self._next()) is not None:
                    last = result
                    if result.ntuples:
                        self._rows.set_pgresult(result, set_loaders=first)
                        first = False
                        yield self._rows.load_rows(0, result.ntuples, tuple)
        except psycopg.OperationalError:
            if last is None or last.status not in REFUSALS:
                raise
        if name is not None and self._pq.status == ConnStatus.OK:
            self._end_pipeline()
        if last is not None and last.status in REFUSALS:
            raise errors.error_from_result(last)
        if last is None or last.status != ExecStatus.TUPLES_OK:  # the end of the rows has not arrived
            raise psycopg.OperationalError("the connection was lost")
        if name is not None:
            self._names[statement.text] = name

    def _send(self, statement: Statement, name: bytes | None = None) -> None:
        """Send a statement. `name`: of the preparation that was sent before."""
        self._note((statement,))
        name = name or self._names.get(statement.text)
        if name is None:
            self._pq.send_query_params(statement.text.encode(), _encoded(statement.arguments))
        else:
            self._pq.send_query_prepared(name, _encoded(statement.arguments))

    def _new_name(self) -> bytes:
        self._made += 1
        return b"persisty_%b_%d" % (self._prefix, self._made)

    def pipelined(self, statements: Sequence[Statement]) -> list[Answer]:
        """Return the server's responses to statements that are sent together. After an error, the rest do not run, and the error is raised."""
        if self.begins:
            self.begins = False
            return self.pipelined((BEGIN, *statements))[1:]
        prepares = self._can_prepare(len(statements))
        self._note(statements)
        new: dict[str, bytes] = {}
        prepared: list[str | None] = []  # the text that is prepared, None where one is run
        self._pq.enter_pipeline_mode()
        for one in statements:
            name = self._names.get(one.text) or new.get(one.text)
            if name is None and prepares:
                name = new[one.text] = self._new_name()
                self._pq.send_prepare(name, one.text.encode())
                prepared.append(one.text)
            if name is None:
                self._pq.send_query_params(one.text.encode(), _encoded(one.arguments))
            else:
                self._pq.send_query_prepared(name, _encoded(one.arguments))
            prepared.append(None)
        self._pq.pipeline_sync()
        results = self._results(len(prepared))
        if self._pq.status == ConnStatus.OK:
            self._pq.exit_pipeline_mode()
        answers: list[Answer] = []
        for text, result in zip(prepared, results, strict=False):
            answer = self._answer(result)
            if text is None:
                answers.append(answer)
            else:
                self._names[text] = new[text]
        return answers

    def _can_prepare(self, count: int) -> bool:
        """Return whether so many new statements may be prepared. Deallocate all others if there is no room, except within a transaction, which an
        error would end, and behind a pooler, whose sessions have the statements of other clients."""
        if not self._prepares or len(self._names) + count <= PREPARED:
            return self._prepares
        if self._pooled or self._pq.transaction_status != TransactionStatus.IDLE:
            return False
        self._names.clear()
        self.in_doubt = False
        self.raw.execute("DEALLOCATE ALL")
        return True

    def alone(self, statement: Statement) -> Answer:
        """Return the server's response to a statement within a transaction. An error does not end the transaction."""
        try:
            return self.pipelined((SAVE, statement, RELEASE))[1]
        except psycopg.Error:
            if self.failed:
                self.pipelined(UNDONE)
            raise

    @property
    def inside(self) -> bool:
        """Return whether a transaction is open."""
        return self._pq.transaction_status != TransactionStatus.IDLE

    @property
    def failed(self) -> bool:
        """Return whether an error has ended the transaction. The server then rolls it back in any case."""
        return self._pq.transaction_status == TransactionStatus.INERROR

    def rollback(self) -> None:
        """Roll back an open transaction. A session that was interrupted while it waited cannot be used again."""
        status, self.begins = self._pq.transaction_status, False
        if status == TransactionStatus.ACTIVE or self._pq.pipeline_status != PipelineStatus.OFF:
            self.raw.cancel()
            self.close()
        elif status != TransactionStatus.IDLE:
            self.run(ROLLBACK)

    def close(self) -> None:
        self._watch.close()
        self.raw.close()

    def _answer(self, result: PGresult) -> Answer:
        if result.status in REFUSALS:
            raise errors.error_from_result(result)
        changed = result.command_tuples or 0
        if result.status != ExecStatus.TUPLES_OK:
            return Answer([], changed)
        self._rows.set_pgresult(result)
        return Answer(self._rows.load_rows(0, result.ntuples, tuple), changed)

    def _note(self, statements: Sequence[Statement]) -> None:
        """Record whether these statements may have an effect if the session is lost: outside of a transaction, or at its end."""
        inside = statements[0] is BEGIN or self._pq.transaction_status != TransactionStatus.IDLE
        self.in_doubt = not inside or COMMIT in statements

    def _results(self, count: int) -> list[PGresult]:
        """Return the results of the sent statements: as many as requested, or up to an error that ended the session."""
        results: list[PGresult] = []
        piped = self._pq.pipeline_status != PipelineStatus.OFF
        try:
            while self._pq.flush():
                self._wait(READ | WRITE)
            while self._pq.status == ConnStatus.OK:
                while self._pq.is_busy():
                    self._wait(READ)
                result = self._pq.get_result()
                if result is not None and result.status != ExecStatus.PIPELINE_SYNC:
                    results.append(result)
                elif result is not None or not piped:  # None: no more results; in a pipeline, of this statement
                    break
        except psycopg.OperationalError:
            if not any(result.status in REFUSALS for result in results):
                raise
        if len(results) < count and not any(result.status in REFUSALS for result in results):
            raise psycopg.OperationalError("the connection was lost")
        return results

    def _next(self) -> PGresult | None:
        """Return the next result, None after the last one of a statement."""
        while self._pq.is_busy():
            self._wait(READ)
        return self._pq.get_result()

    def _end_pipeline(self) -> None:
        """Read to the end of the pipeline."""
        while (result := self._next()) is None or result.status != ExecStatus.PIPELINE_SYNC:
            pass
        self._pq.exit_pipeline_mode()

    def _wait(self, events: int) -> None:
        """Wait until the socket is readable or writable, and consume the input. Output may have to wait for that."""
        if events != READ:
            self._watch.modify(self._pq.socket, events)
        [(_, ready)] = self._watch.select()
        if events != READ:
            self._watch.modify(self._pq.socket, READ)
        if ready & READ:
            self._pq.consume_input()


def _encoded(arguments: Sequence[str | int | None]) -> list[bytes | None]:
    """Return the arguments without types. The server infers each from the context, so that a text is prepared once even if some are null."""
    return [None if one is None else str(one).encode() for one in arguments]
