"""A subscriber receives every change after its commit, and no other change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from moto import mock_aws
from msgspec import UNSET

from persisty import App, BelongsTo, Caller, Conflict, Create, Delete, Unique, Unsupported, Update, link, public, stored
from persisty.errors import PreconditionFailed, SubscriptionOverrun
from persisty.store.change_feed import Change
from persisty.store.store import Store, context_of

from ..counting import counted


@stored(access=public, indexes=[Unique("name")])
class Shelf:
    id: UUID
    name: str


@stored(access=public)
class Jar:
    id: UUID
    label: str
    fill: int = 0
    shelf_id: UUID | None = None
    shelf: BelongsTo[Shelf] = link(on_delete="cascade")


@stored(access=public)
class Tag:
    id: UUID
    text: str
    jar_id: UUID | None = None
    jar: BelongsTo[Jar] = link(on_delete="nullify")


ENGINES = ["memory", "sqlite", "dynamodb"]


@pytest.fixture(params=ENGINES)
def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    urls = {
        "memory": "memory://",
        "sqlite": f"sqlite:///{tmp_path}/a.db",
        "dynamodb": "dynamodb://us-east-1?transport=boto3",
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = App("pantry", items=[Shelf, Jar, Tag], url=urls[request.param])
        made.prepare()
        yield made
        made.close()


@pytest.fixture
def received(app: App) -> list[Change]:
    changes: list[Change] = []
    app.listen([Shelf, Jar, Tag], changes.append)
    return changes


def facts(received: list[Change]) -> list[tuple[str, str, str, Any, Any]]:
    return [(one.store, one.kind, one.key, one.before, one.after) for one in received]


def kinds(received: list[Change]) -> list[tuple[str, str]]:
    found = [(one.store, one.kind) for one in received]
    received.clear()
    return found


def test_each_verb_delivers_its_change(app: App, received: list[Change]) -> None:
    jars = app.store(Jar)
    jar = jars.create({"label": "a"})
    assert facts(received) == [("jar", "created", str(jar.id), None, jar)]
    changed = jars.update(jar.id, {"fill": 3})
    assert facts(received[1:]) == [("jar", "updated", str(jar.id), UNSET, changed)]
    assert jars.delete(jar.id)
    assert facts(received[2:]) == [("jar", "deleted", str(jar.id), changed, None)]


def test_failed_writes_deliver_no_change(app: App, received: list[Change]) -> None:
    jars, shelves = app.store(Jar), app.store(Shelf)
    jar, _ = jars.create({"label": "a"}), shelves.create({"name": "one"})
    received.clear()
    with pytest.raises(Conflict):
        jars.create({"id": jar.id, "label": "b"})
    with pytest.raises(Conflict):
        shelves.create({"name": "one"})
    with pytest.raises(PreconditionFailed):
        jars.update(jar.id, {"fill": 1}, when=Jar.label == "z")
    with pytest.raises(PreconditionFailed):
        jars.delete(jar.id, when=Jar.label == "z")
    assert jars.update(uuid4(), {"fill": 1}) is None
    assert not jars.delete(uuid4())
    assert received == []


def test_each_successful_edit_of_a_batch_delivers_a_change(app: App, received: list[Change]) -> None:
    jars = app.store(Jar)
    jar = jars.create({"label": "a"})
    received.clear()
    edits = [Create({"label": "b"}), Create({"id": jar.id, "label": "c"}), Update(jar.id, {"fill": 1}), Delete(uuid4())]
    assert [one.code for one in jars.edit_batch(edits)] == ["ok", "conflict", "ok", "not_found"]
    assert sorted(kinds(received)) == [("jar", "created"), ("jar", "updated")]
    assert [one.code for one in jars.edit_batch(edits[:2], atomic=True)] == ["aborted", "conflict"]
    assert received == []
    tags = app.store(Tag)
    tag = tags.create({"text": "a"})
    tags.edit_batch([Delete(tag.id), Create({"text": "d"})], atomic=True)
    assert sorted(kinds(received)) == [("tag", "created"), ("tag", "created"), ("tag", "deleted")]


def test_changes_by_referential_actions_are_delivered(app: App, received: list[Change]) -> None:
    shelf = app.store(Shelf).create({"name": "one"})
    jars = [app.store(Jar).create({"label": str(n), "shelf_id": shelf.id}) for n in range(3)]
    app.store(Tag).create({"text": "x", "jar_id": jars[0].id})
    received.clear()
    assert app.store(Shelf).delete(shelf.id)
    assert sorted(kinds(received)) == [("jar", "deleted")] * 3 + [("shelf", "deleted"), ("tag", "updated")]
    assert app.store(Jar).count() == 0
    assert app.store(Tag).search().items[0].jar_id is None


def test_bulk_writes_deliver_a_change_for_each_item(app: App, received: list[Change]) -> None:
    jars = app.store(Jar)
    for number in range(120):
        jars.create({"label": str(number % 2), "fill": number})
    received.clear()
    assert jars.update_all({"label": "2"}, Jar.label == "0").changed == 60
    assert {(one.kind, one.item.label, one.item.fill % 2) for one in received} == {("updated", "2", 0)}
    assert len(kinds(received)) == 60
    assert jars.delete_all(Jar.label == "2", limit=7).changed == 7
    assert kinds(received) == [("jar", "deleted")] * 7
    assert jars.delete_all(Jar.label == "2").changed == 53
    assert kinds(received) == [("jar", "deleted")] * 53
    assert jars.count() == 60


def fail_after(app: App, jars: Store[Jar], label: str) -> None:
    with app.transaction():
        jars.create({"label": label})
        raise ZeroDivisionError


def test_changes_of_a_transaction_are_delivered_at_its_commit_only(tmp_path: Path) -> None:
    app = App("pantry", items=[Shelf, Jar, Tag], url=f"sqlite:///{tmp_path}/a.db")
    app.prepare()
    received: list[Change] = []
    app.listen([Jar], received.append)
    jars = app.store(Jar)
    with app.transaction():
        jars.create({"label": "a"})
        with pytest.raises(ZeroDivisionError):
            fail_after(app, jars, "b")
        assert received == []
    assert [one.item.label for one in received] == ["a"]
    with pytest.raises(ZeroDivisionError):
        fail_after(app, jars, "c")
    assert [one.item.label for one in received] == ["a"]
    app.close()


def test_an_unsubscribed_listener_receives_no_more_changes_and_others_do(app: App) -> None:
    first: list[Change] = []
    second: list[Change] = []
    stop = app.listen([Jar], first.append)
    app.listen(["jar"], second.append)
    app.store(Jar).create({"label": "a"})
    stop()
    stop()
    app.store(Jar).create({"label": "b"})
    app.store(Tag).create({"text": "of another store"})
    assert ([one.item.label for one in first], [one.item.label for one in second]) == (["a"], ["a", "b"])


def test_a_failing_listener_affects_neither_the_write_nor_other_listeners(
    app: App, received: list[Change], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(change: Change) -> None:
        raise ZeroDivisionError

    app.listen([Jar], broken)
    after: list[Change] = []
    app.listen([Jar], after.append)
    assert app.store(Jar).create({"label": "a"})
    assert (len(received), len(after)) == (1, 1)
    assert "a listener failed" in caplog.text


def test_a_write_of_a_caller_that_may_not_read_is_delivered(app: App, received: list[Change]) -> None:
    from persisty import Caller

    app.store(Jar).on_behalf_of(Caller("ann")).create({"label": "a"})
    assert kinds(received) == [("jar", "created")]


# Changes


def test_changes_can_be_iterated(app: App) -> None:
    with app.changes(Jar, timeout=0.05) as changes:
        for label in "abc":
            app.store(Jar).create({"label": label})
        assert [one.item.label for one in changes] == ["a", "b", "c"]
    app.store(Jar).create({"label": "d"})
    assert list(changes) == []


def test_iteration_waits_for_a_change_in_another_thread(app: App) -> None:
    def later() -> None:
        time.sleep(0.1)
        app.store(Jar).create({"label": "late"})

    with app.changes(Jar, timeout=10) as changes:
        writer = threading.Thread(target=later)
        writer.start()
        assert next(iter(changes)).item.label == "late"
        writer.join()


def test_closing_ends_a_waiting_iteration(app: App) -> None:
    changes = app.changes(Jar)
    closer = threading.Timer(0.1, changes.close)
    closer.start()
    assert list(changes) == []
    closer.join()


def test_a_slow_subscriber_gets_an_overrun_error_after_the_queued_changes(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.changes(Jar) as changes:
        monkeypatch.setattr(changes._waiting, "maxsize", 2)
        for label in "abc":
            app.store(Jar).create({"label": label})
        seen: list[str] = []
        with pytest.raises(SubscriptionOverrun):
            seen.extend(one.item.label for one in changes)
    assert seen in ([], ["a", "b"])


def test_listeners_survive_closing_and_reopening_the_engine() -> None:
    app, heard = App("pantry", items=[Shelf, Jar, Tag], url="memory://"), []
    stop = app.listen([Jar], heard.append)
    app.close()
    app.store(Jar).create({"label": "a"})
    stop()
    app.store(Jar).create({"label": "b"})
    assert [one.item.label for one in heard] == ["a"]
    app.close()


def test_a_change_has_both_images_if_a_listener_needs_them(app: App) -> None:
    heard: list[Change] = []
    app.listen([Jar], heard.append, before=True)
    jars = app.store(Jar)
    first = jars.create({"label": "a"})
    second = jars.update(first.id, {"fill": 1})
    jars.update_all({"fill": 2})
    third = jars.read(first.id)
    jars.delete(first.id)
    images = [(one.before, one.after) for one in heard]
    assert images == [(None, first), (first, second), (second, third), (third, None)]
    assert [one.sequence for one in heard] == [1, 2, 3, 4]
    assert all(one.at is not None and one.at.tzinfo is UTC for one in heard)


def test_the_before_image_of_an_update_is_read_only_if_a_listener_needs_it(app: App, received: list[Change]) -> None:
    jar = app.store(Jar).create({"label": "a"})
    with counted(context_of(app.store(Jar)).backend) as counting:
        app.store(Jar).update(jar.id, {"fill": 1})
    assert counting.calls == ["write"]
    assert received[-1].before is UNSET


def test_a_change_names_the_caller_on_whose_behalf_it_is_made_cascades_included(
    app: App, received: list[Change]
) -> None:
    shelf = app.store(Shelf).on_behalf_of(Caller("ann")).create({"name": "one"})
    app.store(Jar).create({"label": "a", "shelf_id": shelf.id})
    assert app.store(Shelf).on_behalf_of(Caller("ben")).delete(shelf.id)
    found = sorted((one.store, one.kind, one.caller or "") for one in received)
    assert found == [
        ("jar", "created", ""),
        ("jar", "deleted", "ben"),
        ("shelf", "created", "ann"),
        ("shelf", "deleted", "ben"),
    ]


def test_changes_of_an_app_transaction_are_delivered_at_its_commit(tmp_path: Path) -> None:
    app, heard = App("pantry", items=[Shelf, Jar, Tag], url=f"sqlite:///{tmp_path}/a.db"), []
    app.prepare()
    app.listen([Shelf, Jar], heard.append)
    with app.transaction():
        shelf = app.store(Shelf).create({"name": "one"})
        with suppress(Conflict), app.transaction():
            app.store(Jar).create({"label": "undone", "shelf_id": shelf.id})
            app.store(Shelf).create({"name": "one"})
        app.store(Jar).create({"label": "a", "shelf_id": shelf.id})
        assert heard == []
    assert [(one.store, one.kind) for one in heard] == [("shelf", "created"), ("jar", "created")]
    with suppress(KeyError), app.transaction():
        app.store(Jar).create({"label": "b"})
        raise KeyError
    assert len(heard) == 2
    assert [one.label for one in app.store(Jar).search()] == ["a"]
    app.close()


@pytest.mark.parametrize("url", ["memory://", "dynamodb://us-east-1?transport=boto3"])
def test_an_engine_without_transactions_raises_unsupported(url: str) -> None:
    with mock_aws(), pytest.raises(Unsupported), App("pantry", items=[Shelf, Jar, Tag], url=url).transaction():
        raise AssertionError
