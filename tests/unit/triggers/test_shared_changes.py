"""Changes of all processes reach the listeners and the caches of each: here two apps stand for two processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from time import sleep
from typing import Any

import psycopg
import pytest

from persisty import (
    App,
    Attr,
    Cache,
    Create,
    Delete,
    InvalidDeclaration,
    InvalidInput,
    Update,
    stored,
)
from persisty.errors import SubscriptionOverrun
from persisty.store.change_feed import Change
from persisty.store.store import context_of
from persisty.triggers import change_reader

from .orders import Line, Note, Order, Registry, Remark, drain, eventually

KEEP = timedelta(minutes=10)
ITEMS = [Order, Line, Remark, Note]


@stored(cache=Cache(seconds=600))
class Setting:
    id: Attr[str]
    text: Attr[str] = Attr(default="")


def process_at(url: str, **options: Any) -> App:
    """Return an app as another process has it."""
    app = App("shop", items=[*ITEMS, Setting], url=url, idempotency=None, feed=KEEP, cache=True, **options)
    app.prepare()
    return app


@pytest.fixture
def processes(shared_url: str) -> Iterator[tuple[App, App]]:
    first, second = process_at(shared_url), process_at(shared_url)
    yield first, second
    first.close()
    second.close()


def heard(app: App, *items: type[Any], **options: Any) -> list[Change]:
    """Return the list of the changes that the app will hear of."""
    found: list[Change] = []
    app.listen(items or ITEMS, found.append, **options)
    return found


def test_every_process_gets_every_change_once_and_in_the_order_of_its_item(processes: tuple[App, App]) -> None:
    lists = [heard(app, Note) for app in processes]
    first, second = (app.store(Note) for app in processes)
    first.create(Note(id="a", text="0"))
    for number in range(1, 20):
        (first, second)[number % 2].update("a", {"text": str(number)})
    second.delete("a")
    for found in lists:
        assert eventually(lambda: len(found) == 21)  # noqa: B023
        assert [one.kind for one in found] == ["created", *["updated"] * 19, "deleted"]
        assert [one.after.text for one in found[:-1]] == [str(number) for number in range(20)]
        assert (found[-1].before.text, found[-1].after) == ("19", None)
        assert [one.sequence for one in found] == list(range(1, 22))
        assert all(one.position for one in found)
    sleep(0.1)
    assert all(len(found) == 21 for found in lists)


def test_every_way_to_change_an_item_is_heard(processes: tuple[App, App]) -> None:
    here, other = processes
    found = heard(other)
    orders, notes = here.store(Order), here.store(Note)
    orders.create(Order(id="o"))
    here.store(Line).create(Line(id="l", order_id="o"))
    here.store(Remark).create(Remark(id="r", order_id="o"))
    notes.edit_batch([Create(Note(id="a")), Create(Note(id="b"))])
    here.edit_batch([Update("a", {"text": "x"}, store=Note), Create(Order(id="p"))], atomic=True)
    notes.update_all({"text": "y"}, where=Note.text == "x")
    with suppress(KeyError), here.transaction():
        notes.create(Note(id="never"))
        raise KeyError
    with here.transaction():
        notes.edit_batch([Delete("b")])
        orders.delete("o")
    assert eventually(lambda: len(found) >= 12)
    sleep(0.1)
    assert sorted((one.store, one.kind, one.key) for one in found) == [
        ("line", "created", "l"),
        ("line", "deleted", "l"),
        ("note", "created", "a"),
        ("note", "created", "b"),
        ("note", "deleted", "b"),
        ("note", "updated", "a"),
        ("note", "updated", "a"),
        ("order", "created", "o"),
        ("order", "created", "p"),
        ("order", "deleted", "o"),
        ("remark", "created", "r"),
        ("remark", "updated", "r"),
    ]


def test_changes_and_events_of_one_write_are_stored_together(shared_url: str) -> None:
    app = process_at(shared_url)
    registry = Registry()
    app.triggers = registry
    app.prepare()
    found = heard(app, Note)
    app.store(Note).create(Note(id="a"))
    app.store(Note).update("a", {"text": "x"})
    assert eventually(lambda: len(found) == 2)
    assert drain(app) == 2
    assert found[1].before.text == "", "the trigger needs it"
    app.close()


def test_caches_of_other_processes_forget_what_was_written(processes: tuple[App, App]) -> None:
    here, other = (app.store(Setting) for app in processes)
    here.create(Setting(id="a", text="old"))
    assert eventually(lambda: other.read("a") is not None)
    sleep(0.2)
    for number in range(5):
        assert other.read("a") is not None
        here.update("a", {"text": str(number)})
        assert eventually(lambda: other.read("a").text == str(number), 3)  # type: ignore[union-attr]  # noqa: B023
    here.delete_all()
    assert eventually(lambda: other.read("a") is None, 3)


def test_changes_that_are_committed_late_are_heard(postgres_schema: str) -> None:
    here, other = process_at(postgres_schema), process_at(postgres_schema)
    found = heard(other, Note)
    server, _, schema = postgres_schema.rpartition("&schema=")
    text = (
        f'INSERT INTO "{schema}".persisty_change (store, kind, "key", payload) VALUES '
        '(\'note\', \'deleted\', %s, \'{"id":"5eb937d1-5bfd-456e-aacd-a87f7a43118d","at":"2026-01-01T00:00:00Z"}\')'
    )
    with psycopg.connect(server) as late, psycopg.connect(server) as later:
        for connection, key in ((late, "late"), (later, "later")):
            connection.execute("SELECT pg_current_xact_id()")
            connection.execute(text, (key,))
        for number in range(3):
            here.store(Note).create(Note(id=str(number)))
        assert eventually(lambda: len(found) == 3)
        late.commit()
        assert eventually(lambda: len(found) == 4)
        sleep(1.2)
        later.commit()
        assert eventually(lambda: len(found) == 5)
    sleep(0.3)
    assert [one.key for one in found] == ["0", "1", "2", "late", "later"]
    here.close()
    other.close()


def test_a_reader_goes_on_after_a_position(processes: tuple[App, App]) -> None:
    here, other = processes
    found = heard(other, Note)
    notes = here.store(Note)
    for number in range(10):
        notes.create(Note(id=str(number)))
    assert eventually(lambda: len(found) == 10)
    for place in (3, 9):
        with other.changes(Note, after=found[place].position, timeout=1) as changes:
            keys = [one.key for one in changes]
        assert keys[-(9 - place) :] == [str(number) for number in range(place + 1, 10)] or place == 9
        assert len(keys) == len(set(keys))
        assert set(keys) >= {str(number) for number in range(place + 1, 10)}
    position = found[9].position
    threading.Timer(0.2, lambda: notes.create(Note(id="new"))).start()
    with other.changes(Note, after=position, timeout=2) as changes:
        assert any(one.key == "new" for one in changes)


def test_a_position_whose_changes_are_gone_is_refused(
    processes: tuple[App, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = processes
    found = heard(other, Note)
    notes = here.store(Note)
    for number in range(3):
        notes.create(Note(id=str(number)))
    assert eventually(lambda: len(found) == 3)
    outbox: Any = here.engine_of(here.metas["note"]).outbox  # type: ignore[attr-defined]
    position = found[0].position
    outbox.log.purge(-10.0)
    monkeypatch.setattr(outbox.log.__class__, "now", lambda self: 4e9)
    with pytest.raises(SubscriptionOverrun):
        other.changes(Note, after=position)
    with pytest.raises(InvalidInput):
        other.changes(Note, after="x")


def test_old_changes_are_deleted_and_the_newest_of_them_stays(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = process_at(shared_url)
    heard(app, Note)
    notes = app.store(Note)
    for number in range(5):
        notes.create(Note(id=str(number)))
    outbox: Any = app.engine.outbox  # type: ignore[attr-defined]
    outbox.log.purge(3600.0)
    assert len(outbox.log.read(0, 100).events) == 5
    outbox.log.purge(-10.0)
    assert len(outbox.log.read(0, 100).events) == 1
    app.close()


def test_a_reader_goes_on_after_an_error(processes: tuple[App, App], monkeypatch: pytest.MonkeyPatch) -> None:
    here, other = processes
    failures = iter(range(3))
    original: Callable[..., bool] = change_reader.ChangeReader.read

    def read(self: Any) -> bool:
        if next(failures, None) is not None:
            raise ConnectionError("away")
        return original(self)

    found = heard(other, Note)
    here.store(Note).create(Note(id="a"))
    assert eventually(lambda: found)
    monkeypatch.setattr(change_reader.ChangeReader, "read", read)
    here.store(Note).create(Note(id="b"))
    assert eventually(lambda: len(found) == 2)


def test_items_in_memory_have_one_process() -> None:
    app = process_at("memory://")
    found = heard(app, Note)
    app.store(Note).create(Note(id="a"))
    assert [one.key for one in found] == ["a"]
    app.close()


def test_a_feed_on_an_engine_that_cannot_share_changes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    app = App("shop", items=ITEMS, url="dynamodb://eu-west-1?endpoint=http://localhost:1", idempotency=None, feed=KEEP)
    with pytest.raises(InvalidDeclaration, match="cannot be shared"):
        app.listen([Note], print)
    for feed in (timedelta(seconds=1), timedelta(days=365)):
        with pytest.raises(InvalidDeclaration):
            App("shop", items=ITEMS, url="memory://", feed=feed)
    with pytest.raises(InvalidDeclaration, match="keeps no changes"):
        App("shop", items=ITEMS, url="memory://").changes(Note, after="0-0")


WRITER = """
import sys
from tests.unit.triggers.orders import Note
from tests.unit.triggers.test_shared_changes import process_at
app = process_at(sys.argv[1])
for line in sys.stdin:
    app.store(Note).create(Note(id=line.strip()))
app.close()
"""


def test_a_write_of_another_process_is_heard_by_a_signal(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_reader, "POLL", 3600.0)
    app = process_at(shared_url)
    found = heard(app, Note)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, shared_url], stdin=subprocess.PIPE, text=True)
    assert writer.stdin is not None
    sleep(0.3)
    for number in range(3):
        writer.stdin.write(f"{number}\n")
        writer.stdin.flush()
        assert eventually(lambda: len(found) == number + 1, 30)  # noqa: B023
    writer.stdin.close()
    writer.wait()
    app.close()


def test_stores_of_an_engine_that_cannot_share_changes_are_opened_as_without_a_feed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deployed function has the same app as a server on SQLite."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    app = App("shop", items=ITEMS, url="dynamodb://eu-west-1?endpoint=http://localhost:1", idempotency=None, feed=KEEP)
    path: Any = context_of(app.store(Note)).path
    assert not path.is_stored
    app.close()


def test_a_reader_that_goes_on_waits_for_a_slow_consumer(processes: tuple[App, App]) -> None:
    here, other = processes
    found = heard(other, Note)
    here.store(Note).create(Note(id="first"))
    assert eventually(lambda: found)
    for page in range(16):
        here.store(Note).edit_batch([Create(Note(id=f"{page}-{number}")) for number in range(100)])
    with other.changes(Note, after=found[0].position, timeout=5) as changes:
        sleep(0.5)
        keys = {change.key for change, _ in zip(changes, range(1601), strict=False)}
    assert len(keys) >= 1600


def test_a_reader_that_was_paused_for_too_long_says_so(
    processes: tuple[App, App], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here, other = processes
    found = heard(other, Note)
    here.store(Note).create(Note(id="a"))
    assert eventually(lambda: found)
    with other.changes(Note, after=found[0].position, timeout=20) as changes:
        monkeypatch.setattr(change_reader, "monotonic", lambda: 1e12)
        here.store(Note).create(Note(id="b"))
        with pytest.raises(SubscriptionOverrun):
            list(changes)
    assert eventually(lambda: "paused for longer" in caplog.text)
