"""PostgreSQL with faults of the network: dead connections, lost responses to reads, transient refusals, an exhausted pool."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from persisty import App, BackendUnavailable, Create, Store, Update, add, stored
from persisty.api.http.messages import document_of
from persisty.backends.sql.postgres import connection as connection_module
from persisty.backends.sql.postgres import pool
from persisty.backends.sql.postgres import session as session_module
from persisty.backends.sql.postgres.dialect import quoted
from persisty.backends.sql.postgres.session import BEGIN, ROLLBACK, Session, Statement
from persisty.backoff import ATTEMPTS

from .papers import raw, wait_for_a_lock
from .proxy import Proxy


@stored
class Thing:
    id: UUID
    size: int = 0


@pytest.fixture
def app(schema: str) -> Iterator[App]:
    app = App("things", items=[Thing], url=schema)
    app.prepare()
    yield app
    app.close()


@pytest.fixture
def things(app: App) -> Store[Thing]:
    return app.store(Thing)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the waits of retries instead of waiting."""
    slept: list[float] = []
    monkeypatch.setattr(pool, "sleep", slept.append)
    return slept


def pool_of(app: App) -> Any:
    return app.engine._postgres._pool


def end(postgres_url: str, session: Session) -> None:
    """End a session on the server, and wait until the client has received the notice."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [session.raw.info.backend_pid])


def test_a_connection_that_was_closed_while_idle_is_replaced(
    app: App, things: Store[Thing], postgres_url: str, waits: list[float]
) -> None:
    made = things.create(Thing())
    for verb in (
        lambda: things.update(made.id, {"size": add(1)}).size == 1,
        lambda: things.edit_batch([Update(made.id, {"size": add(1)}), Create(Thing())], atomic=True)[0].item.size == 2,
        lambda: things.read(made.id).size == 2,
        lambda: app.prepare() is None,
    ):
        [session] = pool_of(app)._idle
        end(postgres_url, session)
        assert verb()
        assert session.raw.closed
    assert waits == []


def test_a_call_interrupted_by_a_shutdown_is_retried(app: App, things: Store[Thing], postgres_url: str) -> None:
    """The server reports that it ended the session, so no statement took effect. This holds for single and batched, new and prepared statements."""
    made, grown = things.create(Thing()), {"size": add(1)}
    verbs = (
        lambda: things.update(made.id, grown).size,
        lambda: things.update(made.id, grown, when=Thing.size > 0).size,
        lambda: things.edit_batch([Update(made.id, grown), Create(Thing())])[0].item.size,
        lambda: things.edit_batch([Update(made.id, grown), Create(Thing())], atomic=True)[0].item.size,
    )
    for size, verb in enumerate((*verbs, *verbs), start=1):
        things.count()
        [session] = pool_of(app)._idle
        with raw(app) as other, ThreadPoolExecutor(1) as thread:
            other.autocommit = False
            other.execute("SELECT FROM thing FOR UPDATE")
            waiting = thread.submit(verb)
            wait_for_a_lock(app)
            end(postgres_url, session)
            other.rollback()
            assert waiting.result() == size


def test_the_connection_to_a_server_that_became_a_replica_is_replaced(app: App, things: Store[Thing]) -> None:
    made = things.create(Thing())
    [session] = pool_of(app)._idle
    session.raw.execute("SET default_transaction_read_only = on")
    assert things.read(made.id) == made
    assert things.update(made.id, {"size": 1}).size == 1
    assert session.raw.closed


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Make SIGINT raise `KeyboardInterrupt`. A process that a shell starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_pool_is_usable_after_an_interrupted_wait(app: App, things: Store[Thing]) -> None:
    made = things.create(Thing())
    [session] = pool_of(app)._idle
    with raw(app) as other, ThreadPoolExecutor(1) as thread:
        other.autocommit = False
        other.execute("SELECT FROM thing FOR UPDATE")

        def interrupt() -> None:
            wait_for_a_lock(app)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        thread.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            things.update(made.id, {"size": 1})
        other.rollback()
    assert session.raw.closed
    assert things.read(made.id) == made


def test_large_batches_are_sent_and_received_at_the_same_time(schema: str) -> None:
    """The batches exceed the socket buffers. A client that only sends and a server that only responds would wait for each other."""

    @stored(key="id")
    class Page:
        id: int
        text: str = ""

    app = App("pages", items=[Page], url=schema)
    app.prepare()
    pages, text = app.store(Page), "x" * 1_000_000
    assert {one.code for one in pages.edit_batch([Create(Page(id=number)) for number in range(40)])} == {"ok"}
    changed = pages.edit_batch([Update(number, {"text": text}) for number in range(40)])
    assert all(one.item.text == text for one in changed)
    changed = pages.edit_batch([Update(number, {"text": text}, when=Page.text != text) for number in range(40)])
    assert all(one.error.item.text == text for one in changed)
    assert pages.update(0, {"text": text * 20}).text == text * 20
    app.close()


@pytest.fixture
def proxied(proxy: Proxy, app: App) -> Iterator[tuple[Proxy, Store[Thing]]]:
    """Return a proxy and a store that connects through it. Its connection is already open."""
    app = App("things", items=[Thing], url=proxy.url)
    app.store(Thing).count()
    yield proxy, app.store(Thing)
    app.close()


def test_a_read_whose_response_was_lost_is_repeated(proxied: tuple[Proxy, Store[Thing]], things: Store[Thing]) -> None:
    proxy, store = proxied
    made = [things.create(Thing(size=number)) for number in range(3)]
    for verb, answer in (
        (lambda: store.read(made[0].id), made[0]),
        (store.count, 3),
        (lambda: store.search(order="size").items, made),
        (lambda: store.aggregate(Thing.size.sum())[0].values, (3,)),
    ):
        proxy.lose(1)
        assert verb() == answer


@pytest.mark.parametrize(
    "refusal",
    [errors.SerializationFailure, errors.DeadlockDetected, errors.InvalidSqlStatementName, errors.CrashShutdown],
)
def test_a_transient_refusal_is_retried_a_bounded_number_of_times(
    things: Store[Thing], waits: list[float], monkeypatch: pytest.MonkeyPatch, refusal: type[psycopg.Error]
) -> None:
    calls = []
    original = Session.run
    times = 2

    def refused(session: Session, statement: Any) -> Any:
        calls.append(statement)
        if len(calls) <= times:
            raise refusal("scripted")
        return original(session, statement)

    monkeypatch.setattr(Session, "run", refused)
    made = things.create(Thing())
    assert (len(calls), len(waits)) == (3, 2)
    calls.clear()
    times = 100
    with pytest.raises(BackendUnavailable, match=refusal.__name__):
        things.update(made.id, {"size": 1})
    assert (len(calls), len(waits)) == (ATTEMPTS, 2 + ATTEMPTS - 1)


def test_a_deadlock_is_broken_and_its_batch_retried(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The batch locks the first item and waits for the second; another transaction locks the second and waits for the first."""
    things = app.store(Thing)
    first, second = sorted((things.create(Thing()) for _ in range(2)), key=lambda one: one.id)
    with raw(app) as other:
        other.autocommit = False
        other.execute("SET deadlock_timeout = '1min'")  # so that the server ends the batch and not this transaction
        other.execute("SELECT FROM thing WHERE id = %s FOR UPDATE", [second.id])
        with ThreadPoolExecutor(1) as thread, caplog.at_level(logging.WARNING):
            edits = [Update(one.id, {"size": add(1)}) for one in (first, second)]
            waiting = thread.submit(things.edit_batch, edits, atomic=True)
            other.execute("SELECT FROM thing WHERE id = %s FOR UPDATE", [first.id])
            other.commit()
            assert [one.item.size for one in waiting.result()] == [1, 1]
    assert caplog.records == []


def test_an_unreachable_server_is_unavailable(tmp_path: Path, waits: list[float]) -> None:
    for url in (f"postgresql:///d?host={tmp_path}", "postgresql://127.0.0.1:1/d"):
        with pytest.raises(BackendUnavailable, match="cannot be reached") as raised:
            App("things", items=[Thing], url=url).store(Thing).count()
        [place] = raised.value.__notes__
        assert place in (f"PostgreSQL at {tmp_path}:5432/d", "PostgreSQL at 127.0.0.1:1/d")
        assert place in raised.value.report()
        assert place not in str(document_of(raised.value))
    assert len(waits) == 2 * (ATTEMPTS - 1)


def test_a_database_of_another_encoding_is_refused(postgres_url: str, schema: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        try:
            url = "postgresql://?" + urlencode(conninfo_to_dict(postgres_url) | {"dbname": "latin"})
            with pytest.raises(BackendUnavailable, match="UTF8"):
                App("things", items=[Thing], url=url).prepare()
        finally:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


def test_a_pool_opens_no_more_connections_than_its_size(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App("things", items=[Thing], url=f"{schema}&pool=2&application_name=bounded")
    app.prepare()
    things, gate = app.store(Thing), threading.Barrier(6)
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded'"

    def work(_: int) -> None:
        gate.wait()
        for _ in range(20):
            things.create(Thing())
            [(count,)] = app.engine._postgres.rows(query)
            counts.append(count)

    counts: list[int] = []
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert set(counts) <= {1, 2}
    assert things.count() == 120
    monkeypatch.setattr(pool, "MAX_WAIT", 0.01)
    with app.engine._postgres.transaction():  # this thread has one connection

        def time_out() -> Any:
            with app.engine._postgres.transaction(), ThreadPoolExecutor(1) as third:
                return third.submit(things.count).exception()

        with ThreadPoolExecutor(1) as second:
            error = second.submit(time_out).result()
        assert isinstance(error, BackendUnavailable)
        assert "in use" in str(error)
    assert things.count() == 120
    app.close()


def test_an_error_rolls_the_transaction_back_and_keeps_the_connection(app: App, things: Store[Thing]) -> None:
    connection = app.engine._postgres
    things.create(Thing())
    [session] = pool_of(app)._idle

    def delete_and(fail: Callable[[], Any]) -> None:
        with connection.transaction():
            connection.rows(f"DELETE FROM {quoted(app.engine._schema)}.thing")
            fail()

    with pytest.raises(BackendUnavailable, match="SyntaxError"):
        delete_and(lambda: connection.rows("SELEKT"))
    with pytest.raises(ZeroDivisionError):
        delete_and(lambda: 1 / 0)
    assert things.count() == 1
    assert pool_of(app)._idle == [session]


def test_closing_ends_every_session_including_those_in_use(app: App) -> None:
    things = app.store(Thing)
    things.create(Thing())
    pooled = pool_of(app)
    [idle] = pooled._idle
    session = pooled.take()
    assert session is idle
    app.close()
    assert not session.raw.closed
    pooled.give(session)
    assert session.raw.closed
    assert things.count() == 1  # the app opens the engine again


def test_the_error_names_an_unreachable_server_at_the_start_but_not_to_callers(waits: list[float]) -> None:
    app = App("things", items=[Thing], url="postgresql://ann:secret@127.0.0.1:1/shop")
    with pytest.raises(BackendUnavailable) as caught:
        app.prepare()
    assert "127.0.0.1:1/shop" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(BackendUnavailable) as read:
        app.store(Thing).read(UUID(int=1))
    assert "127.0.0.1" not in str(read.value)


def run_shapes(things: Store[Thing], number: int) -> None:
    for size in range(1, number):
        things.count(Thing.size.oneof(range(1, size + 1)))


def rolled_back(app: App, things: Store[Thing], made: Thing) -> None:
    with app.transaction():
        things.delete(made.id)
        run_shapes(things, 20)
        raise ZeroDivisionError


def test_many_new_query_shapes_never_end_a_transaction(
    app: App, things: Store[Thing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement that deallocates the prepared ones is never prepared itself, and never sent within a transaction."""
    monkeypatch.setattr(session_module, "PREPARED", 8)
    for _ in range(3):
        run_shapes(things, 40)
    with app.transaction():
        made = things.create(Thing(size=-1))
        for _ in range(2):
            run_shapes(things, 20)
            things.update(made.id, {"size": add(-1)})
        with pytest.raises(ZeroDivisionError):
            rolled_back(app, things, made)
    assert things.read(made.id).size == -3
    assert len(pool_of(app)._idle) == 1


def test_more_concurrent_transactions_than_the_server_accepts_connections(postgres_url: str, schema: str) -> None:
    role = "few_" + schema.rpartition("-")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
        connection.execute(f"ALTER ROLE {role} NOSUPERUSER CONNECTION LIMIT 3")
        connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {role}")
    server, _, name = schema.partition("&schema=")
    options = conninfo_to_dict(server) | {"user": role, "pool": "20", "schema": name}
    app = App("things", items=[Thing], url="postgresql://?" + urlencode(options))
    app.prepare()
    things = app.store(Thing)

    def work(size: int) -> int:
        with app.transaction():
            return things.create(Thing(size=size)).size

    with ThreadPoolExecutor(20) as threads:
        assert sorted(threads.map(work, range(40))) == list(range(40))
    assert things.count() == 40
    app.close()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role} CASCADE")
        connection.execute(f"DROP ROLE {role}")


def test_a_transaction_retries_to_connect_as_a_verb_does(
    app: App, things: Store[Thing], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [psycopg.OperationalError("no connection"), psycopg.OperationalError("no connection")]

    class Refusing(Session):
        def __init__(self, *given: Any) -> None:
            if failing:
                raise failing.pop()
            super().__init__(*given)

    app.close()
    monkeypatch.setattr(pool, "Session", Refusing)
    with app.transaction():
        made = things.create(Thing(size=1))
    assert things.read(made.id) == made
    assert len(waits) == 2


def test_a_transaction_whose_begin_is_lost_is_begun_again(
    app: App, things: Store[Thing], postgres_url: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    things.create(Thing())
    [session] = pool_of(app)._idle
    end(postgres_url, session)
    monkeypatch.setattr(Session, "alive", True)  # as if the notice arrived a moment later
    with app.transaction():
        things.create(Thing())
    assert things.count() == 2


def test_a_connection_that_is_idle_for_too_long_is_closed(
    app: App, things: Store[Thing], monkeypatch: pytest.MonkeyPatch
) -> None:
    app.close()
    monkeypatch.setattr(pool, "IDLE", 0.1)
    things.create(Thing())
    [session] = pool_of(app)._idle
    until = time.monotonic() + 5
    while pool_of(app)._idle and time.monotonic() < until:
        time.sleep(0.02)
    assert session.raw.closed
    assert pool_of(app)._open == set()
    assert things.count() == 1


@pytest.mark.parametrize(("code", "word"), [("53100", "disk"), ("25006", "no writes")])
def test_a_full_disk_is_reported_until_writes_succeed_again(
    app: App,
    things: Store[Thing],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    word: str,
) -> None:
    raising = f"BEGIN RAISE EXCEPTION 'could not extend file base/1' USING ERRCODE = '{code}'; END"
    with raw(app) as connection:
        connection.execute(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$")
        connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON thing EXECUTE FUNCTION full_disk()")
    app.engine.check_writes()
    for write in (
        lambda: things.create(Thing()),
        lambda: things.edit_batch([Create(Thing()), Create(Thing())], atomic=True),
    ):
        with pytest.raises(BackendUnavailable, match=word) as caught:
            write()
        assert "base/1" not in str(caught.value)
        assert pool_of(app).failing
        with monkeypatch.context() as patched:
            patched.setattr(connection_module, "PROBE", (BEGIN, Statement(f"DO $$ {raising} $$"), ROLLBACK))
            for _ in range(2):
                with pytest.raises(BackendUnavailable, match=word):
                    app.engine.check_writes()
        app.engine.check_writes()
        assert not pool_of(app).failing
    with raw(app) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'persisty_probe'").fetchone() == (0,)
        connection.execute("DROP TRIGGER full_disk ON thing")
    assert things.create(Thing()).size == 0
