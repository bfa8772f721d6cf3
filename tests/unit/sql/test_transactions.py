"""Transactions of SQL engines: nesting, errors after which the caller continues, several threads, a lost COMMIT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from persisty import App, BackendUnavailable, Conflict, Create, SchemaMismatch, Store, Unique, add, stored
from persisty.model.expressions import ALL, Compare
from persisty.store.backend import BulkWrite, Delete, Outcome, Patch, Put, Requirement
from persisty.store.store import context_of

from .papers import raw, wait_for_a_lock
from .proxy import Proxy


@stored(key="id")
class Room:
    id: str
    open: bool = True


@stored(key="id", indexes=[Unique("email")])
class Guest:
    id: str
    room_id: str | None = None
    email: str | None = None
    age: int = 0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hotel.db" if request.param == "sqlite" else request.getfixturevalue("schema")


def opened(url: str) -> App:
    app = App("hotel", items=[Room, Guest], url=url)
    app.prepare()
    return app


@pytest.fixture
def app(url: str) -> Iterator[App]:
    app = opened(url)
    yield app
    app.close()


@pytest.fixture
def guests(app: App) -> Store[Guest]:
    return app.store(Guest)


def ids(store: Store[Any]) -> list[str]:
    return [one.id for one in store.search(order="id", limit=100)]


class Stop(Exception):
    """Ends a transaction."""


def test_an_exception_rolls_back_the_whole_transaction(app: App, guests: Store[Guest]) -> None:
    guests.create(Guest(id="a"))

    def visit() -> None:
        with app.engine.transaction():
            app.store(Room).create(Room(id="1"))
            guests.create(Guest(id="b"))
            guests.update("a", {"age": add(3)})
            guests.edit_batch([Create(Guest(id="c")), Create(Guest(id="d"))])
            guests.update_all({"age": add(1)})
            assert [one.age for one in guests.search(order="id")] == [4, 1, 1, 1]
            raise Stop

    with pytest.raises(Stop):
        visit()
    assert guests.search().items == [Guest(id="a")]
    assert app.store(Room).count() == 0
    with app.engine.transaction():
        guests.create(Guest(id="b"))
    assert ids(guests) == ["a", "b"]


def test_a_nested_transaction_is_rolled_back_alone(app: App, guests: Store[Guest]) -> None:
    guests.create(Guest(id="a", email="a"))
    with app.engine.transaction():
        guests.create(Guest(id="b"))

        def visit() -> None:
            with app.engine.transaction():
                guests.create(Guest(id="c"))
                for email in ("a", None):
                    batch = [Create(Guest(id="d")), Create(Guest(id="e", email=email)), Create(Guest(id="b"))]
                    assert {one.code for one in guests.edit_batch(batch, atomic=True)} <= {"aborted", "conflict"}
                    assert ids(guests) == ["a", "b", "c"]
                raise Stop

        with pytest.raises(Stop):
            visit()
        assert ids(guests) == ["a", "b"]
        guests.create(Guest(id="f"))
    assert ids(guests) == ["a", "b", "f"]


def test_a_transaction_continues_after_a_refused_write(app: App, guests: Store[Guest]) -> None:
    guests.edit_batch([Create(Guest(id="a", email="a")), Create(Guest(id="b", email="b"))])
    refused: list[Callable[[], Any]] = [
        lambda: guests.create(Guest(id="c", email="a")),
        lambda: guests.create(Guest(id="a")),
        lambda: guests.update("a", {"email": "b"}),
        lambda: guests.update_all({"email": "x"}),
    ]
    with app.engine.transaction():
        guests.update("a", {"age": 1})
        for verb in refused:
            with pytest.raises(Conflict):
                verb()
        guests.update("b", {"age": 2})
    assert [(one.email, one.age) for one in guests.search(order="id")] == [("a", 1), ("b", 2)]


def test_a_transaction_belongs_to_one_thread(app: App, guests: Store[Guest]) -> None:
    other = opened(app.url)
    with app.engine.transaction():
        guests.create(Guest(id="a"))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(other.store(Guest).count).result(timeout=20) == 0
        assert guests.count() == 1
    assert other.store(Guest).count() == 1
    other.close()


def test_transactions_of_several_threads_change_one_item_in_turn(app: App, guests: Store[Guest]) -> None:
    guests.create(Guest(id="a"))

    def grow() -> None:
        for _ in range(10):
            with app.engine.transaction():
                guests.update("a", {"age": add(1)})
                seen = guests.read("a").age
                guests.update("a", {"age": add(1)}, when=Guest.age == seen)

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(grow) for _ in range(4)]:
            one.result(timeout=60)
    assert guests.read("a").age == 80


@pytest.mark.parametrize("how", ["put", "patch", "batch", "transaction"])
def test_no_item_refers_to_a_deleted_target(url: str, how: str) -> None:
    """One transaction deletes a room and then its guests, while other writes add guests that require the room."""
    apps = [opened(url) for _ in range(2)]
    rooms, guests = context_of(apps[0].store(Room)).backend, context_of(apps[1].store(Guest)).backend
    outcomes: list[Outcome] = []
    for number in range(12):
        room, barrier = f"r{number}", threading.Barrier(2)
        rooms.write((Put(Room(id=room)),), atomic=False)
        names = [f"{room}.{one}" for one in range(8)]
        if how == "patch":
            guests.write([Put(Guest(id=one)) for one in names], atomic=True)
        requirements = (Requirement("room_id", rooms.meta, (room,), Compare("open", "eq", True)),)
        writes = [
            Patch((one,), {"room_id": room}, ALL, requirements)
            if how == "patch"
            else Put(Guest(id=one, room_id=room), requirements)
            for one in names
        ]

        def add_guests(writes: list[Any] = writes, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            for start in range(0, 8, 4 if how in ("batch", "transaction") else 1):
                some = writes[start : start + (4 if how in ("batch", "transaction") else 1)]
                if how == "transaction":
                    with apps[1].engine.transaction():
                        outcomes.extend(one.outcome for one in guests.write(some, atomic=False))
                else:
                    outcomes.extend(one.outcome for one in guests.write(some, atomic=False))

        def delete_room(room: str = room, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with apps[0].engine.transaction():
                assert rooms.write((Delete((room,)),), atomic=False)[0].outcome is Outcome.DONE
                context_of(apps[0].store(Guest)).backend.write_all(
                    BulkWrite(None, Compare("room_id", "eq", room), None, None)
                )

        with ThreadPoolExecutor(2) as pool:
            for one in [pool.submit(add_guests), pool.submit(delete_room)]:
                one.result(timeout=60)
        assert guests.count(Compare("room_id", "eq", room)) == 0
    assert len(outcomes) == 96
    assert set(outcomes) <= {Outcome.DONE, Outcome.UNRELATED}
    for app in apps:
        app.close()


@pytest.mark.parametrize(
    ("change", "end", "outcome"),
    [
        ("DELETE FROM room", "COMMIT", Outcome.UNRELATED),
        ("DELETE FROM room", "ROLLBACK", Outcome.DONE),
        ("UPDATE room SET id = '2'", "COMMIT", Outcome.UNRELATED),
        ("UPDATE room SET open = false", None, Outcome.DONE),
    ],
)
@pytest.mark.parametrize("update", [False, True])
def test_a_write_waits_for_a_target_that_may_be_deleted(
    schema: str, change: str, end: str | None, outcome: Outcome, update: bool
) -> None:
    """A write does not wait for a change that leaves the key of its target."""
    app = opened(schema)
    guests, rooms = context_of(app.store(Guest)).backend, context_of(app.store(Room)).backend
    rooms.write((Put(Room(id="1")),), atomic=False)
    requirements = (Requirement("room_id", rooms.meta, ("1",), Compare("open", "eq", True)),)
    write: Put | Patch = Put(Guest(id="a", room_id="1"), requirements)
    if update:
        guests.write((Put(Guest(id="a")),), atomic=False)
        write = Patch(("a",), {"room_id": "1"}, ALL, requirements)
    with raw(app) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN")
        other.execute(change)
        waiting = pool.submit(guests.write, (write,), atomic=False)
        if end is not None:
            wait_for_a_lock(app)
            other.execute(end)
        assert waiting.result(timeout=20)[0].outcome is outcome
    app.close()


def test_a_commit_whose_response_is_lost_is_in_doubt(schema: str, proxy: Proxy) -> None:
    app = opened(schema)
    proxied = App("hotel", items=[Room, Guest], url=proxy.url)
    proxied.store(Guest).count()
    calls: list[Guest] = []

    def visit(name: str, delivered: bool) -> None:
        with proxied.engine.transaction():
            calls.append(proxied.store(Guest).create(Guest(id=name)))
            proxy.lose(1, delivered=delivered)

    for delivered, name in ((True, "a"), (False, "b")):
        calls.clear()
        with pytest.raises(BackendUnavailable) as caught:
            visit(name, delivered)
        assert caught.value.details["in_doubt"] is True
        assert len(calls) == 1
        assert (app.store(Guest).read(name) is not None) is delivered
    assert proxied.store(Guest).count() == 1
    proxied.close()
    app.close()


def test_a_transaction_whose_connection_is_lost_writes_nothing_and_is_not_in_doubt(schema: str, proxy: Proxy) -> None:
    app = opened(schema)
    proxied = App("hotel", items=[Room, Guest], url=proxy.url)
    store = proxied.store(Guest)
    store.count()
    round_trips: list[int] = []

    def visit(verb: Callable[[], Any]) -> None:
        with proxied.engine.transaction():
            store.create(Guest(id="a"))
            proxy.lose(1)
            round_trips.append(proxy.round_trips)
            verb()

    for verb in (lambda: store.create(Guest(id="b")), store.count, lambda: store.update_all({"age": 1})):
        with pytest.raises(BackendUnavailable) as caught:
            visit(verb)
        assert "in_doubt" not in caught.value.details
        assert proxy.round_trips == round_trips[-1] + 1  # it was not tried again
        assert app.store(Guest).count() == 0
    proxied.close()
    app.close()


def test_a_transaction_that_the_server_rolled_back_is_not_reported_as_committed(schema: str) -> None:
    """If an error has ended a transaction, the server responds to its COMMIT with ROLLBACK and no error."""
    app = opened(schema)
    guests, connection = app.store(Guest), app.engine._connection

    def visit() -> None:
        with app.engine.transaction():
            guests.create(Guest(id="a"))
            with pytest.raises(SchemaMismatch):
                connection.rows("SELECT * FROM nowhere")

    with pytest.raises(BackendUnavailable) as caught:
        visit()
    assert "in_doubt" not in caught.value.details
    assert guests.count() == 0
    app.close()


def test_a_commit_that_is_refused_is_not_in_doubt(schema: str) -> None:
    app = opened(schema)
    with raw(app) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON guest DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    guests, entered = app.store(Guest), []
    with pytest.raises(BackendUnavailable) as caught, app.engine.transaction():
        entered.append(guests.create(Guest(id="a")))
    assert "in_doubt" not in caught.value.details
    assert len(entered) == 1
    assert guests.count() == 0
    app.close()
