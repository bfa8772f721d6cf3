"""Every way to change an item appends its events in the transaction of the change, and a change that is not made appends none."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from persisty import App, Conflict, Create, Delete, PersistyError, PreconditionFailed, Update
from persisty.store.change_feed import Change
from persisty.store.outbox import TIMER, NewEvent, State
from persisty.transfer.load import load
from persisty.transfer.rows import Row

from .orders import Line, Note, Order, Registry, Remark, app_at, drain, outbox_of, waiting

Shop = tuple[App, Registry]


class _RolledBackError(Exception):
    """Rolls back a transaction."""


def test_events_have_the_item_before_and_after(shop: Shop) -> None:
    app, registry = shop
    notes = app.store(Note)
    notes.create(Note(id="a", text="1"))
    notes.update("a", {"text": "2"})
    notes.delete("a")
    assert drain(app) == 3
    images = [(one.before and one.before.text, one.after and one.after.text) for one in registry.events]
    assert images == [(None, "1"), ("1", "2"), ("2", None)]
    assert [one.kind for one in registry.events] == ["created", "updated", "deleted"]
    assert {one.key for one in registry.events} == {"a"}
    assert len({one.id for one in registry.events}) == 3
    assert all(one.attempt == 1 and one.at.tzinfo is not None for one in registry.events)
    assert waiting(app) == 0


def test_only_changes_that_an_action_wants_are_events(shop: Shop) -> None:
    app, registry = shop
    became_paid = []
    registry.only(
        "mail",
        became_paid.append,
        kinds=["updated"],
        wants=lambda before, after: before.status != "paid" and after.status == "paid",
    )
    orders = app.store(Order)
    orders.create(Order(id="a"))
    for status in ("sent", "paid", "paid", "closed"):
        orders.update("a", {"status": status})
    assert waiting(app) == 1
    drain(app)
    assert [one.after.status for one in became_paid] == ["paid"]


def test_each_action_gets_its_own_event_of_one_change(shop: Shop) -> None:
    app, registry = shop
    registry.add("count", registry.log, kinds=["created"])
    app.store(Note).create(Note(id="a"))
    assert waiting(app) == 2
    drain(app)
    assert len(registry.events) == 2
    assert len({one.id for one in registry.events}) == 1


def test_a_write_that_is_refused_is_no_event(shop: Shop) -> None:
    app, _ = shop
    orders = app.store(Order)
    orders.create(Order(id="a", number=1))
    with pytest.raises(Conflict):
        orders.create(Order(id="a"))
    with pytest.raises(Conflict):
        orders.create(Order(id="b", number=1))
    with pytest.raises(PreconditionFailed):
        orders.update("a", {"status": "paid"}, when=Order.status == "sent")
    assert orders.update("none", {"status": "paid"}) is None
    assert not orders.delete("none")
    assert waiting(app) == 1


def test_batches_append_the_events_of_the_edits_that_are_done(shop: Shop) -> None:
    app, registry = shop
    notes = app.store(Note)
    notes.create(Note(id="a"))
    results = notes.edit_batch([Create(Note(id="a")), Create(Note(id="b")), Update("a", {"text": "x"}), Delete("none")])
    assert [one.error is None for one in results] == [False, True, True, False]
    drain(app)
    assert registry.seen[0] == ("note", "created", "a")
    assert sorted(registry.seen[1:]) == [("note", "created", "b"), ("note", "updated", "a")]
    failed = notes.edit_batch([Create(Note(id="c")), Create(Note(id="a"))], atomic=True)
    assert any(one.error for one in failed)
    assert waiting(app) == 0
    notes.edit_batch([Create(Note(id="c")), Delete("a")], atomic=True)
    drain(app)
    assert sorted(registry.seen[3:]) == [("note", "created", "c"), ("note", "deleted", "a")]


def test_batches_of_several_stores_append_the_events_of_each(shop: Shop) -> None:
    app, registry = shop
    edits = [Create(Order(id="a")), Create(Note(id="n")), Create(Line(id="l", order_id="a"))]
    app.edit_batch(edits, atomic=True)
    failing = [Update("a", {"status": "paid"}, store=Order), Create(Note(id="n"))]
    app.edit_batch(failing, atomic=True)
    assert waiting(app) == 3
    app.edit_batch(failing)
    drain(app)
    assert sorted(registry.seen) == [
        ("line", "created", "l"),
        ("note", "created", "n"),
        ("order", "created", "a"),
        ("order", "updated", "a"),
    ]


def test_bulk_writes_append_an_event_for_each_match(shop: Shop) -> None:
    app, registry = shop
    notes = app.store(Note)
    for number in range(120):
        notes.create(Note(id=f"{number:03}", text="old" if number % 2 else "keep"))
    drain(app)
    registry.events.clear()
    notes.update_all({"text": "new"}, where=Note.text == "old")
    drain(app)
    assert {(one.before.text, one.after.text) for one in registry.events} == {("old", "new")}
    assert len(registry.events) == 60
    registry.events.clear()
    notes.delete_all(where=Note.text == "new")
    drain(app)
    assert sorted(one.key for one in registry.events) == [f"{number:03}" for number in range(1, 120, 2)]


def test_cascades_append_the_events_of_dependents(shop: Shop) -> None:
    app, registry = shop
    app.store(Order).create(Order(id="a"))
    for number in range(3):
        app.store(Line).create(Line(id=str(number), order_id="a"))
    drain(app)
    registry.events.clear()
    app.store(Order).delete("a")
    drain(app)
    assert sorted(registry.seen) == [
        *(("line", "deleted", str(number)) for number in range(3)),
        ("order", "deleted", "a"),
    ]


def test_a_foreign_key_that_is_set_to_null_is_an_event(shop: Shop) -> None:
    app, registry = shop
    app.store(Order).create(Order(id="a"))
    app.store(Remark).create(Remark(id="r", order_id="a"))
    drain(app)
    registry.events.clear()
    app.store(Order).delete("a")
    drain(app)
    [remark] = [one for one in registry.events if one.store == "remark"]
    assert (remark.before.order_id, remark.after.order_id) == ("a", None)


def test_imported_rows_are_events(shop: Shop) -> None:
    app, registry = shop
    rows = [Row(line, {"id": key}) for line, key in enumerate("ab")]
    assert sum(one.imported for one in load(app.store(Note), rows, lambda given: given)) == 2
    drain(app)
    assert sorted(registry.seen) == [("note", "created", "a"), ("note", "created", "b")]


def test_a_transaction_appends_the_events_of_its_parts_that_were_not_rolled_back(shared: Shop) -> None:
    app, registry = shared
    notes = app.store(Note)
    with app.transaction():
        notes.create(Note(id="a"))
        with suppress(_RolledBackError), app.transaction():
            notes.create(Note(id="b"))
            raise _RolledBackError
        with app.transaction():
            notes.update("a", {"text": "x"})
        assert waiting(app) == 0, "events are appended at the end of the transaction"
    drain(app)
    assert registry.seen == [("note", "created", "a"), ("note", "updated", "a")]
    with suppress(_RolledBackError), app.transaction():
        notes.create(Note(id="c"))
        raise _RolledBackError
    assert waiting(app) == 0
    assert notes.read("c") is None


def test_events_without_a_write_are_appended_alone_or_in_the_transaction_of_the_thread(shop: Shop) -> None:
    app, registry = shop
    connection = app._engines.connected()
    event = NewEvent("", TIMER, "a", "log", '{"id":"5eb937d1-5bfd-456e-aacd-a87f7a43118d","at":"2026-01-01T00:00:00Z"}')
    connection.append([event])
    assert waiting(app) == 1
    if app.url != "memory://":
        with suppress(_RolledBackError), app.transaction():
            connection.append([event])
            raise _RolledBackError
        with app.transaction():
            connection.append([event])
    drain(app)
    assert set(registry.seen) == {("", TIMER, "a")}
    assert len(registry.events) == (1 if app.url == "memory://" else 2)


def test_a_failed_append_undoes_the_write(shared: Shop) -> None:
    app, _ = shared
    notes = app.store(Note)
    notes.create(Note(id="a"))
    outbox: Any = outbox_of(app)
    outbox._connection.rows(f"DROP TABLE {outbox.events_table}")
    with pytest.raises(PersistyError):
        notes.create(Note(id="b"))
    with pytest.raises(PersistyError):
        notes.update("a", {"text": "x"})
    with pytest.raises(PersistyError):
        notes.delete("a")
    assert [one.text for one in notes.search_all()] == [""]


def test_a_failed_signal_does_not_reach_the_caller(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends can start no thread, for example."""
    app, registry = shop

    def fail() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(outbox_of(app), "appended", fail)
    app.store(Note).create(Note(id="a"))
    app.store(Note).update("a", {"text": "x"})
    assert drain(app) == 2
    assert len(registry.events) == 2


def test_listeners_get_the_same_changes(shop: Shop) -> None:
    app, _ = shop
    changes: list[Change] = []
    app.listen([Note], changes.append)
    app.store(Note).create(Note(id="a"))
    assert [one.key for one in changes] == ["a"]
    assert waiting(app) == 1


def test_an_app_without_triggers_stores_no_events(url: str) -> None:
    app, _ = app_at(url)
    outbox = outbox_of(app)
    app.triggers = type("None_", (), {"stores": (), "after": lambda *_: (), "handler": lambda *_: None})()
    app.store(Note).create(Note(id="a"))
    assert not any(outbox.counts().values())
    app.close()


def test_a_before_image_is_that_of_the_change_although_others_write(postgres_schema: str) -> None:
    """A sets the status, while B, which began before A's commit, sets something else: only one event says that the order became paid."""
    app, registry = app_at(postgres_schema)
    orders = app.store(Order)
    orders.create(Order(id="a"))
    drain(app)
    registry.events.clear()
    begun = threading.Event()

    def number() -> None:
        begun.set()
        orders.update("a", {"number": 7})

    with app.transaction():
        orders.update("a", {"status": "paid"})
        other = threading.Thread(target=number)
        other.start()
        begun.wait()
        other.join(0.3)
        assert other.is_alive(), "B waits for A"
    other.join()
    drain(app)
    assert [(one.before.status, one.after.status) for one in registry.events] == [("open", "paid"), ("paid", "paid")]
    app.close()


def test_concurrent_batches_in_opposite_orders_are_both_done(shared: Shop) -> None:
    app, registry = shared
    notes = app.store(Note)
    keys = [f"{number:02}" for number in range(20)]
    notes.edit_batch([Create(Note(id=key)) for key in keys])
    drain(app)
    registry.events.clear()
    failed: list[BaseException] = []

    def edit(order: list[str], text: str) -> None:
        for _ in range(10):
            try:
                results = notes.edit_batch([Update(key, {"text": text}) for key in order])
                assert all(one.error is None for one in results)
            except BaseException as error:
                failed.append(error)

    threads = [
        threading.Thread(target=edit, args=(keys if number % 2 else keys[::-1], str(number))) for number in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    drain(app)
    assert len(registry.events) == 4 * 10 * 20
    for key in keys:
        images = [(one.before.text, one.after.text) for one in registry.events if one.key == key]
        assert all(one[1] == following[0] for one, following in pairwise(images)), "no gap in the chain"
    assert outbox_of(app).counts()[State.READY] == 0
