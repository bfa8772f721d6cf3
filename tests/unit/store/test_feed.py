"""A subscriber receives every change after its commit, and nothing else."""

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
def told(app: App) -> list[Change]:
    changes: list[Change] = []
    app.listen([Shelf, Jar, Tag], changes.append)
    return changes


def facts(told: list[Change]) -> list[tuple[str, str, str, Any, Any]]:
    return [(one.store, one.kind, one.key, one.before, one.after) for one in told]


def kinds(told: list[Change]) -> list[tuple[str, str]]:
    found = [(one.store, one.kind) for one in told]
    told.clear()
    return found


def test_each_verb_tells_what_it_did(app: App, told: list[Change]) -> None:
    jars = app.store(Jar)
    jar = jars.create({"label": "a"})
    assert facts(told) == [("jar", "created", str(jar.id), None, jar)]
    changed = jars.update(jar.id, {"fill": 3})
    assert facts(told[1:]) == [("jar", "updated", str(jar.id), UNSET, changed)]
    assert jars.delete(jar.id)
    assert facts(told[2:]) == [("jar", "deleted", str(jar.id), changed, None)]


def test_what_is_not_done_is_not_told(app: App, told: list[Change]) -> None:
    jars, shelves = app.store(Jar), app.store(Shelf)
    jar, _ = jars.create({"label": "a"}), shelves.create({"name": "one"})
    told.clear()
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
    assert told == []


def test_of_a_batch_each_edit_that_is_done_is_told(app: App, told: list[Change]) -> None:
    jars = app.store(Jar)
    jar = jars.create({"label": "a"})
    told.clear()
    edits = [Create({"label": "b"}), Create({"id": jar.id, "label": "c"}), Update(jar.id, {"fill": 1}), Delete(uuid4())]
    assert [one.code for one in jars.edit_batch(edits)] == ["ok", "conflict", "ok", "not_found"]
    assert sorted(kinds(told)) == [("jar", "created"), ("jar", "updated")]
    assert [one.code for one in jars.edit_batch(edits[:2], atomic=True)] == ["aborted", "conflict"]
    assert told == []
    tags = app.store(Tag)
    tag = tags.create({"text": "a"})
    tags.edit_batch([Delete(tag.id), Create({"text": "d"})], atomic=True)
    assert sorted(kinds(told)) == [("tag", "created"), ("tag", "created"), ("tag", "deleted")]


def test_what_follows_a_delete_is_told(app: App, told: list[Change]) -> None:
    shelf = app.store(Shelf).create({"name": "one"})
    jars = [app.store(Jar).create({"label": str(n), "shelf_id": shelf.id}) for n in range(3)]
    app.store(Tag).create({"text": "x", "jar_id": jars[0].id})
    told.clear()
    assert app.store(Shelf).delete(shelf.id)
    assert sorted(kinds(told)) == [("jar", "deleted")] * 3 + [("shelf", "deleted"), ("tag", "updated")]
    assert app.store(Jar).count() == 0
    assert app.store(Tag).search().items[0].jar_id is None


def test_changes_of_all_matches_are_told_one_by_one(app: App, told: list[Change]) -> None:
    jars = app.store(Jar)
    for number in range(120):
        jars.create({"label": str(number % 2), "fill": number})
    told.clear()
    assert jars.update_all({"label": "2"}, Jar.label == "0").changed == 60
    assert {(one.kind, one.item.label, one.item.fill % 2) for one in told} == {("updated", "2", 0)}
    assert len(kinds(told)) == 60
    assert jars.delete_all(Jar.label == "2", limit=7).changed == 7
    assert kinds(told) == [("jar", "deleted")] * 7
    assert jars.delete_all(Jar.label == "2").changed == 53
    assert kinds(told) == [("jar", "deleted")] * 53
    assert jars.count() == 60


def fail_after(app: App, jars: Store[Jar], label: str) -> None:
    with app.transaction():
        jars.create({"label": label})
        raise ZeroDivisionError


def test_a_transaction_is_told_when_it_is_done_and_not_if_it_fails(tmp_path: Path) -> None:
    app = App("pantry", items=[Shelf, Jar, Tag], url=f"sqlite:///{tmp_path}/a.db")
    app.prepare()
    told: list[Change] = []
    app.listen([Jar], told.append)
    jars = app.store(Jar)
    with app.transaction():
        jars.create({"label": "a"})
        with pytest.raises(ZeroDivisionError):
            fail_after(app, jars, "b")
        assert told == []
    assert [one.item.label for one in told] == ["a"]
    with pytest.raises(ZeroDivisionError):
        fail_after(app, jars, "c")
    assert [one.item.label for one in told] == ["a"]
    app.close()


def test_who_stops_is_told_nothing_more_and_others_are(app: App) -> None:
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


def test_a_listener_that_fails_harms_nobody(app: App, told: list[Change], caplog: pytest.LogCaptureFixture) -> None:
    def broken(change: Change) -> None:
        raise ZeroDivisionError

    app.listen([Jar], broken)
    after: list[Change] = []
    app.listen([Jar], after.append)
    assert app.store(Jar).create({"label": "a"})
    assert (len(told), len(after)) == (1, 1)
    assert "a listener failed" in caplog.text


def test_a_caller_that_reads_nothing_writes_what_others_hear(app: App, told: list[Change]) -> None:
    from persisty import Caller

    app.store(Jar).on_behalf_of(Caller("ann")).create({"label": "a"})
    assert kinds(told) == [("jar", "created")]


# Changes


def test_changes_come_to_whoever_iterates(app: App) -> None:
    with app.changes(Jar, timeout=0.05) as changes:
        for label in "abc":
            app.store(Jar).create({"label": label})
        assert [one.item.label for one in changes] == ["a", "b", "c"]
    app.store(Jar).create({"label": "d"})
    assert list(changes) == []


def test_a_change_in_another_thread_is_waited_for(app: App) -> None:
    def later() -> None:
        time.sleep(0.1)
        app.store(Jar).create({"label": "late"})

    with app.changes(Jar, timeout=10) as changes:
        writer = threading.Thread(target=later)
        writer.start()
        assert next(iter(changes)).item.label == "late"
        writer.join()


def test_closing_ends_who_waits(app: App) -> None:
    changes = app.changes(Jar)
    closer = threading.Timer(0.1, changes.close)
    closer.start()
    assert list(changes) == []
    closer.join()


def test_who_is_too_slow_is_told_so_after_what_was_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.changes(Jar) as changes:
        monkeypatch.setattr(changes._waiting, "maxsize", 2)
        for label in "abc":
            app.store(Jar).create({"label": label})
        seen: list[str] = []
        with pytest.raises(SubscriptionOverrun):
            seen.extend(one.item.label for one in changes)
    assert seen in ([], ["a", "b"])


def test_listening_survives_that_the_engine_is_closed_and_opened_again() -> None:
    app, heard = App("pantry", items=[Shelf, Jar, Tag], url="memory://"), []
    stop = app.listen([Jar], heard.append)
    app.close()
    app.store(Jar).create({"label": "a"})
    stop()
    app.store(Jar).create({"label": "b"})
    assert [one.item.label for one in heard] == ["a"]
    app.close()


def test_a_change_has_both_images_where_a_listener_asks_for_them(app: App) -> None:
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


def test_an_update_is_not_read_before_it_unless_a_listener_asks_for_it(app: App, told: list[Change]) -> None:
    jar = app.store(Jar).create({"label": "a"})
    with counted(context_of(app.store(Jar)).backend) as counting:
        app.store(Jar).update(jar.id, {"fill": 1})
    assert counting.calls == ["write"]
    assert told[-1].before is UNSET


def test_a_change_names_the_caller_on_whose_behalf_it_is_made_cascades_included(app: App, told: list[Change]) -> None:
    shelf = app.store(Shelf).on_behalf_of(Caller("ann")).create({"name": "one"})
    app.store(Jar).create({"label": "a", "shelf_id": shelf.id})
    assert app.store(Shelf).on_behalf_of(Caller("ben")).delete(shelf.id)
    found = sorted((one.store, one.kind, one.caller or "") for one in told)
    assert found == [
        ("jar", "created", ""),
        ("jar", "deleted", "ben"),
        ("shelf", "created", "ann"),
        ("shelf", "deleted", "ben"),
    ]


def test_a_transaction_of_the_app_is_heard_of_when_it_is_committed(tmp_path: Path) -> None:
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
def test_an_engine_without_transactions_says_so(url: str) -> None:
    with mock_aws(), pytest.raises(Unsupported), App("pantry", items=[Shelf, Jar, Tag], url=url).transaction():
        raise AssertionError
