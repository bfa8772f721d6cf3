"""SQLite under another thread's transaction, another process's lock, a full disk and a deleted file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from persisty import App, BackendUnavailable, Create, InvalidDeclaration, Store, stored
from persisty.backends.sql import sqlite_connection
from persisty.store.wait_limits import WouldWait, attempting


@stored
class Note:
    id: UUID
    text: str = ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def app(path: Path) -> Iterator[App]:
    app = App("notes", items=[Note], url=f"sqlite:///{path}")
    app.prepare()
    yield app
    app.close()


@pytest.fixture
def notes(app: App) -> Store[Note]:
    return app.store(Note)


@pytest.fixture
def lock(path: Path, app: App) -> Iterator[sqlite3.Connection]:
    """The write lock of another process."""
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    yield holder
    holder.close()


class Elsewhere:
    """A transaction of another thread, open until it is left."""

    def __init__(self, app: App) -> None:
        self._app, self._begun, self._end = app, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with self._app.transaction():
            self._app.store(Note).create(Note(text="uncommitted"))
            self._begun.set()
            self._end.wait(10)

    def __enter__(self) -> None:
        self._thread.start()
        self._begun.wait(10)

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def quick(call: Any) -> Any:
    begun = time.monotonic()
    result = call()
    assert time.monotonic() - begun < 1
    return result


def test_reads_do_not_wait_for_a_transaction_of_another_thread_and_see_what_is_committed(
    app: App, notes: Store[Note]
) -> None:
    made = notes.create(Note(text="a"))
    with Elsewhere(app):
        assert quick(lambda: notes.read(made.id)) == made
        assert quick(notes.count) == 1
        assert quick(lambda: list(notes.search(Note.text.icontains("A")))) == [made]
        with ThreadPoolExecutor(12) as threads:
            assert quick(lambda: list(threads.map(lambda _: notes.count(), range(50)))) == [1] * 50
    assert notes.count() == 2


def test_reads_do_not_wait_for_another_process(notes: Store[Note], lock: sqlite3.Connection) -> None:
    assert quick(notes.count) == 0


def test_a_write_waits_for_the_lock_of_another_process(notes: Store[Note], lock: sqlite3.Connection) -> None:
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(notes.create, Note(text="a"))
        time.sleep(0.1)
        assert not waiting.done()
        assert quick(notes.count) == 0  # while a write of this process waits
        lock.execute("COMMIT")
        assert waiting.result(1).text == "a"


def test_a_permanent_lock_is_an_error_with_a_retry_after(
    app: App, notes: Store[Note], lock: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "MAX_WAIT", 0.05)
    with pytest.raises(BackendUnavailable, match="locked") as caught:
        notes.create(Note())
    assert caught.value.details["retry_after"] == 1
    lock.execute("ROLLBACK")
    with Elsewhere(app), pytest.raises(BackendUnavailable, match="locked") as here:
        notes.create(Note())
    assert here.value.details["retry_after"] == 1


def test_an_attempt_does_not_wait_and_has_written_nothing(
    app: App, notes: Store[Note], lock: sqlite3.Connection
) -> None:
    for write in (
        lambda: notes.create(Note()),
        lambda: notes.edit_batch([Create(Note()), Create(Note())]),
        lambda: notes.update_all({"text": "b"}),
    ):
        with pytest.raises(WouldWait):
            quick(lambda write=write: attempting(write))
    assert attempting(notes.count) == 0
    lock.execute("ROLLBACK")
    with Elsewhere(app), pytest.raises(WouldWait):
        attempting(lambda: notes.create(Note()))
    assert attempting(lambda: notes.create(Note(text="b"))).text == "b"
    with ThreadPoolExecutor(1) as thread:  # the lock was given back
        assert thread.submit(notes.create, Note()).result(1)


def test_an_attempt_that_has_written_is_never_repeated(app: App, notes: Store[Note], path: Path) -> None:
    def twice() -> None:
        notes.create(Note(text="first"))
        holder.execute("BEGIN IMMEDIATE")
        notes.create(Note(text="second"))

    holder = sqlite3.connect(path, isolation_level=None)
    begun = time.monotonic()
    with pytest.raises(BackendUnavailable, match="locked"):
        attempting(twice)
    assert time.monotonic() - begun < 1
    holder.close()
    assert [one.text for one in notes.search()] == ["first"]


@pytest.mark.parametrize("replaced", [False, True])
def test_reads_and_writes_of_a_deleted_file_fail_until_it_exists_again(
    notes: Store[Note], path: Path, replaced: bool
) -> None:
    made = notes.create(Note())
    time.sleep(sqlite_connection.FILE_CHECK)
    aside = path.rename(path.with_name("aside.db"))
    if replaced:
        path.write_bytes(aside.read_bytes())
    for call in (
        lambda: notes.create(Note()),
        lambda: notes.read(made.id),
        lambda: notes.edit_batch([Create(Note()), Create(Note())], atomic=True),
    ):
        with pytest.raises(BackendUnavailable, match="deleted or replaced"):
            call()
    aside.rename(path)
    assert notes.read(made.id) == made
    assert notes.create(Note())


def test_a_transaction_of_a_deleted_file_is_not_committed(app: App, notes: Store[Note], path: Path) -> None:
    def work() -> None:
        with app.transaction():
            notes.create(Note())
            path.rename(path.with_name("aside.db"))
            time.sleep(sqlite_connection.FILE_CHECK)

    with pytest.raises(BackendUnavailable, match="deleted"):
        work()
    path.with_name("aside.db").rename(path)
    assert notes.count() == 0


def test_a_full_disk_is_reported_until_writes_succeed_again(app: App, notes: Store[Note]) -> None:
    connection: Any = app.engine._connection  # type: ignore[attr-defined]
    app.engine.check_writes()
    connection.rows("PRAGMA max_page_count = 8")
    with pytest.raises(BackendUnavailable) as caught:
        notes.create(Note(text="x" * 100_000))
    assert "database or disk is full" not in str(caught.value)
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match="full"):
            app.engine.check_writes()
    connection.rows("PRAGMA max_page_count = 100000")
    connection._failing = True
    app.engine.check_writes()
    assert not connection._failing
    assert connection.rows("SELECT count(*) FROM sqlite_schema WHERE name = 'persisty_probe'") == [(0,)]


@pytest.mark.parametrize(("option", "found"), [("", 1), ("?synchronous=normal", 1), ("?synchronous=full", 2)])
def test_the_url_decides_whether_a_commit_waits_for_the_disk(path: Path, option: str, found: int) -> None:
    app = App("notes", items=[Note], url=f"sqlite:///{path}{option}")
    assert app.engine._connection.rows("PRAGMA synchronous") == [(found,)]  # type: ignore[attr-defined]
    app.close()


def test_another_value_of_synchronous_is_refused(path: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="No engine"):
        App("notes", items=[Note], url=f"sqlite:///{path}?synchronous=off").prepare()
