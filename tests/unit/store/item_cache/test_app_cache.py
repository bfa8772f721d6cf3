"""The item cache of an app: the switch, referential actions, transactions and revisions."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from persisty import (
    App,
    BelongsTo,
    Cache,
    Index,
    Unsupported,
    link,
    stored,
)
from persisty.backends import connect
from persisty.store.store import context_of

from ...counting import counted
from .places import SECONDS, Place


@stored(cache=Cache(seconds=SECONDS), indexes=[Index("count")])
class Counter:
    id: str
    count: int = 0


def test_an_app_caches_items_only_if_the_cache_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, variable, cached in ((False, "", False), (True, "", True), (True, "off", False), (False, "on", True)):
        monkeypatch.setenv("PERSISTY_CACHE", variable)
        app = App("counters", items=[Counter], url="memory://", cache=given)
        store = app.store(Counter)
        assert (context_of(store).path._cache is not None) == cached
        store.create({"id": "a"})
        assert store.read("a") == Counter(id="a")
        app.use("memory://")
        assert store.read("a") is None  # another engine, without cached items of the former one
        app.close()


@stored(cache=Cache(seconds=SECONDS))
class House:
    id: str


@stored(cache=Cache(seconds=SECONDS), indexes=[Index("house_id")])
class Person:
    id: str
    house_id: str | None
    house: BelongsTo["House"] = link(on_delete="cascade")


@stored(cache=Cache(seconds=SECONDS), indexes=[Index("house_id")])
class Guest:
    id: str
    house_id: str | None
    house: BelongsTo["House"] = link(on_delete="nullify")


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{folder}/houses.db"])
def test_items_deleted_by_cascade_are_removed_from_the_cache(tmp_path: Any, url: str) -> None:
    app = App("houses", items=[House, Person, Guest], url=url.format(folder=tmp_path), cache=True)
    app.prepare()
    app.store(House).create({"id": "h"})
    for item in (Person, Guest):
        app.store(item).create({"id": "x", "house_id": "h"})
        assert app.store(item).read("x") is not None
    assert app.store(House).read("h") is not None
    app.store(House).delete("h")
    assert (app.store(House).read("h"), app.store(Person).read("x")) == (None, None)
    assert app.store(Guest).read("x") == Guest(id="x", house_id=None)
    app.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_transaction_reads_its_own_writes_and_uncommitted_items_are_not_cached(
    request: pytest.FixtureRequest, tmp_path: Any, pool: ThreadPoolExecutor, engine: str
) -> None:
    separate = engine == "postgresql"  # threads share SQLite's connection, and wait for the end of the transaction
    url = request.getfixturevalue("postgres_url") if separate else f"sqlite:///{tmp_path}/counters.db"
    app = App("counters", items=[Counter], url=url, cache=True)
    app.prepare()
    store = app.store(Counter)
    store.delete_all()
    store.create({"id": "a"})
    store.read("a")

    def here() -> int:
        return store.read("a").count  # type: ignore[union-attr]

    def elsewhere() -> int:
        return pool.submit(here).result(10) if separate else 0

    for taken_back, then in ((True, 0), (False, 2)):
        with contextlib.suppress(RuntimeError), context_of(store).path.transaction():
            store.update("a", {"count": 1})
            assert (here(), elsewhere()) == (1, 0)
            with context_of(store).path.transaction():
                store.update("a", {"count": 2})
            assert (here(), elsewhere(), elsewhere()) == (2, 0, 0)
            if taken_back:
                raise RuntimeError
        assert (here(), pool.submit(here).result(10)) == (then, then)
    app.close()


def test_a_transaction_reads_the_current_state_and_does_not_deadlock_with_a_load(
    tmp_path: Any, pool: ThreadPoolExecutor
) -> None:
    counters = Place(Counter, connect(f"sqlite:///{tmp_path}/counters.db", app="counters", stage="dev"))
    counters.store.create({"id": "a"})
    counters.store.read("a")
    counters.uncached.update("a", {"count": 1})  # as by another process
    called = threading.Event()
    with context_of(counters.store).path.transaction():
        assert counters.store.read("a").count == 1
        counters.clock.now += SECONDS
        with counted(counters.backend, lambda name: called.set()):
            reading = pool.submit(counters.store.read, "a")  # it waits for the end of the transaction
            assert called.wait(10)
        assert counters.store.read("a").count == 1
    assert reading.result(10).count == 1
    counters.engine.close()


def test_an_engine_without_transactions_rejects_one_and_its_cache_still_works(notes: Place) -> None:
    notes.store.create({"id": "a"})
    with pytest.raises(Unsupported), context_of(notes.store).path.transaction():
        raise AssertionError
    with notes.counted() as counting:
        assert [notes.store.read("a").count for _ in range(2)] == [0, 0]
        assert counting.calls == ["read"]


def test_a_write_through_one_revision_clears_the_caches_of_all_revisions() -> None:
    def revision(**more: Any) -> type[Any]:
        body = {"__annotations__": {"id": str, "count": int, **dict.fromkeys(more, str)}, "count": 0, **more}
        return stored(cache=Cache(seconds=SECONDS))(type("Leaflet", (), body))

    app = App("leaflets", items=[first := revision()], url="sqlite://", cache=True)
    app.prepare()
    old = app.store(first)
    old.create({"id": "a"})
    app.replace(second := revision(title="?"))
    app.prepare(second)
    new = app.store(second)
    for count, (writer, reader) in enumerate([(old, new), (new, old), (old, new)], 1):
        assert reader.read("a").count == count - 1
        writer.update("a", {"count": count})
        assert (reader.read("a").count, writer.read("a").count) == (count, count)
    app.close()
