"""Before triggers: the same on every engine, for every way to change an item."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servey.action.action import action

from persisty import (
    App,
    Before,
    BeforeUpdate,
    Caller,
    Conflict,
    Create,
    Delete,
    Event,
    Forbidden,
    InvalidInput,
    NotFound,
    PersistyError,
    PreconditionFailed,
    Update,
    add,
    append,
)
from persisty.application.working import drain
from persisty.errors import InternalError, TriggerLoop
from persisty.store.store import context_of
from persisty.transfer.load import load
from persisty.transfer.rows import Row
from tests.conformance.engines import ENGINES

from .shop import STOPS, Audit, Book, Draft, Place, Shelf, app_at, recorded, seen, shop_at

_stages = (f"before-{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(params=[name for name in ENGINES if name != "dynamodb-boto3"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an engine. The stage, which `shop_at` makes, has its own tables."""
    server, template = ENGINES[request.param]
    place = server and request.getfixturevalue(server)
    return template.format(place=place, stage=next(_stages), process=os.getpid())


@pytest.fixture
def shop(url: str) -> Iterator[App]:
    app = shop_at(url)
    yield app
    app.close()


def is_transactional(app: App) -> bool:
    return context_of(app.store(Book)).path.capabilities.transactions


def kinds() -> list[tuple[str, str]]:
    return [(one.kind, one.key) for one in seen]


def test_an_action_sees_the_item_before_and_after_each_change(shop: App) -> None:
    books = shop.store(Book)
    books.create(Book(id="a", pages=1, tags=["x"]))
    books.update("a", {"pages": add(2), "tags": append("y"), "place": Place("Rome")})
    assert kinds() == [("created", "a"), ("updated", "a")]
    created, updated = seen
    assert (created.before, created.after.pages) == (None, 1)
    assert (updated.before.pages, updated.before.tags, updated.before.place) == (1, ["x"], None)
    assert (updated.after.pages, updated.after.tags, updated.after.place) == (3, ["x", "y"], Place("Rome"))
    assert books.read("a") == updated.after
    assert (updated.attempt, updated.caller) == (1, None)


def test_the_caller_of_the_event_is_that_of_the_write(shop: App) -> None:
    books = shop.store(Book).on_behalf_of(Caller("ann"))
    books.create(Book(id="a"))
    books.edit_batch([Update("a", {"pages": 1})])
    books.update_all({"pages": 2}, Book.pages == 1)
    assert [one.caller for one in seen] == ["ann", "ann", "ann"]


REFUSED: dict[str, Callable[[Any], Any]] = {
    "create": lambda store: store.create(Book(id="b", title="refused")),
    "update": lambda store: store.update("a", {"title": "refused"}),
    "delete": lambda store: store.delete("kept"),
    "update_all": lambda store: store.update_all({"title": "refused"}, Book.pages == 1),
    "delete_all": lambda store: store.delete_all(Book.title == "kept"),
}
"""Name → a change that an action refuses."""


@pytest.mark.parametrize("change", REFUSED)
def test_an_error_of_an_action_reaches_the_caller_and_nothing_is_written(shop: App, change: str) -> None:
    books = shop.store(Book)
    books.edit_batch([Create(Book(id="a", pages=1)), Create(Book(id="kept", title="kept"))])
    before = sorted(books.search_all(), key=lambda one: one.id)
    with pytest.raises(Conflict, match=r"not this one|kept"):
        REFUSED[change](books)
    assert sorted(books.search_all(), key=lambda one: one.id) == before


def test_an_unexpected_error_is_internal_and_logged(shop: App, caplog: pytest.LogCaptureFixture) -> None:
    books = shop.store(Book)
    for title in ("broken", "garbage"):
        with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as caught:
            books.create(Book(id="a", title=title))
        assert "secret" not in str(caught.value)
    assert "secret" in caplog.text
    assert books.read("a") is None


@pytest.mark.parametrize("title", STOPS)
def test_an_exception_that_ends_processes_is_like_any_other(
    shop: App, title: str, caplog: pytest.LogCaptureFixture
) -> None:
    books = shop.store(Book)
    books.edit_batch([Create(Book(id="a")), Create(Book(id="kept", title="kept", tags=[title]))])
    for change in (
        lambda: books.create(Book(id="b", title=title)),
        lambda: books.update("a", {"title": title}),
        lambda: books.delete("kept"),
        lambda: books.update_all({"title": title}, Book.id == "a"),
    ):
        with pytest.raises(InternalError):
            change()
    assert "before trigger check of book failed" in caplog.text
    edits: list[Any] = [Create(Book(id="c")), Create(Book(id="d", title=title)), Delete("kept"), Create(Book(id="e"))]
    assert [one.code for one in books.edit_batch(edits)] == ["ok", "internal_error", "internal_error", "ok"]
    edits = [Create(Book(id="f")), Update("a", {"title": title})]
    assert [one.code for one in books.edit_batch(edits, atomic=True)] == ["aborted", "internal_error"]
    [settled] = load(books, [Row(1, {"id": "g", "title": title}), Row(2, {"id": "h"})], lambda given: given)
    assert (settled.imported, [one.code for one in settled.rejected]) == (1, ["internal_error"])
    assert sorted(one.id for one in books.search_all() if one.title != title) == ["a", "c", "e", "h", "kept"]


def test_an_interruption_of_the_main_thread_ends_the_call_and_one_of_an_action_elsewhere_does_not() -> None:
    shop = shop_at("sqlite://")
    books = shop.store(Book)
    with pytest.raises(KeyboardInterrupt):
        books.edit_batch([Create(Book(id="a")), Create(Book(id="b", title="interrupt")), Create(Book(id="c"))])
    assert [one.id for one in books.search_all()] == ["a"]
    with ThreadPoolExecutor() as pool, pytest.raises(InternalError):
        pool.submit(books.create, Book(id="d", title="interrupt")).result()
    shop.close()


@pytest.mark.parametrize("how", ["one", "bulk", "batch"])
def test_a_not_found_of_an_action_reaches_the_caller(shop: App, how: str) -> None:
    books = shop.store(Book)
    books.edit_batch([Create(Book(id="a")), Create(Book(id="kept", title="kept", tags=["no customer"]))])
    changes: dict[str, tuple[Callable[[], Any], ...]] = {
        "one": (lambda: books.update("a", {"title": "no customer"}), lambda: books.delete("kept")),
        "bulk": (
            lambda: books.update_all({"title": "no customer"}, Book.id == "a"),
            lambda: books.delete_all(Book.title == "kept"),
        ),
        "batch": (),
    }
    for change in changes[how]:
        with pytest.raises(NotFound, match="No such customer"):
            change()
    if how == "batch":
        for atomic in (False, True):
            results = books.edit_batch([Update("a", {"title": "no customer"}), Delete("kept")], atomic=atomic)
            assert [str(one.error) for one in results] == ["No such customer"] * 2
    assert books.update("missing", {"title": "no customer"}) is None
    assert books.delete("missing") is False
    assert {one.id: one.title for one in books.search_all()} == {"a": "", "kept": "kept"}


def test_a_delete_fails_if_an_action_keeps_the_link_that_it_makes_null(shop: App) -> None:
    shelves, drafts = shop.store(Shelf), shop.store(Draft)
    shelves.edit_batch([Create(Shelf(id="s")), Create(Shelf(id="other"))])
    drafts.create(Draft(id="a", owner="faithful", shelf_id="s"))
    for delete in (lambda: shelves.delete("s"), lambda: shelves.delete_all(Shelf.id == "s")):
        with pytest.raises(Conflict, match="before trigger keeps a link"):
            delete()
    for atomic in (False, True) if is_transactional(shop) else (False,):
        results = shelves.edit_batch([Delete("s"), Create(Shelf(id=f"more{atomic}"))], atomic=atomic)
        assert results[0].code == "conflict"
    assert shelves.read("s") is not None
    assert drafts.read("a").shelf_id == "s"  # type: ignore[union-attr]
    drafts.update("a", {"owner": "to another"})
    assert shelves.delete("s")
    assert drafts.read("a").shelf_id == "other"  # type: ignore[union-attr]


def test_a_bulk_write_fails_if_an_action_sets_a_link_to_a_missing_item(shop: App) -> None:
    books = shop.store(Book)
    books.create(Book(id="a"))
    with pytest.raises(InvalidInput) as caught:
        books.update_all({"title": "to no shelf"}, Book.id == "a")
    assert [one.path for one in caught.value.faults] == ["/shelf_id"]


def test_an_action_may_return_changes_or_an_item_or_change_the_item_in_place(shop: App) -> None:
    books = shop.store(Book)
    assert books.create(Book(id="a", title="as changes", pages=1)).pages == 7
    assert books.create(Book(id="b", title="as an item", tags=["x"])) == Book(
        id="b", title="made", pages=8, place=Place("Rome", 2), code=None, tags=[], shelf_id=None, note=None
    )
    assert books.create(Book(id="c", title="in place")).tags == ["placed"]
    books.create(Book(id="d", pages=1, tags=["x"]))
    changed = books.update("d", {"title": "as changes", "pages": add(3)})
    assert changed is not None
    assert (changed.pages, changed.tags) == (7, ["changed"])
    placed = books.update("d", {"title": "in place"})
    assert placed is not None
    assert (placed.pages, placed.tags, placed.place) == (7, ["changed", "placed"], Place("Bari"))
    assert books.read("d") == placed


@pytest.mark.parametrize("verb", ["create", "update"])
def test_what_an_action_returns_is_validated_with_every_fault(shop: App, verb: str) -> None:
    books = shop.store(Book)
    books.create(Book(id="a"))
    with pytest.raises(InvalidInput) as caught:
        books.create(Book(id="b", title="invalid")) if verb == "create" else books.update("a", {"title": "invalid"})
    assert {one.path for one in caught.value.faults} == {"/pages", "/colour", "/id", "/place/city"}
    assert [one.title for one in books.search_all()] == [""]


def test_a_foreign_key_that_an_action_sets_is_checked(shop: App) -> None:
    shop.store(Shelf).create(Shelf(id="s"))
    books = shop.store(Book)
    assert books.create(Book(id="a", title="to the shelf")).shelf_id == "s"
    for verb in (
        lambda: books.create(Book(id="b", title="to no shelf")),
        lambda: books.update("a", {"title": "to no shelf"}),
    ):
        with pytest.raises(InvalidInput) as caught:
            verb()
        assert [one.path for one in caught.value.faults] == ["/shelf_id"]
    assert books.count() == 1


def test_a_unique_value_that_an_action_sets_is_checked(shop: App) -> None:
    books = shop.store(Book)
    books.create(Book(id="a", title="same code"))
    with pytest.raises(Conflict):
        books.create(Book(id="b", title="same code"))
    books.create(Book(id="c", code=2))
    with pytest.raises(Conflict):
        books.update("c", {"title": "same code"})
    assert {one.id: one.code for one in books.search_all()} == {"a": 1, "c": 2}


def test_no_action_runs_for_a_write_that_would_not_be_done(shop: App) -> None:
    books = shop.store(Book)
    books.create(Book(id="a", pages=1))
    drafts = shop.store(Draft)
    drafts.create(Draft(id="d", owner="ann"))
    seen.clear()
    assert books.update("none", {"title": "refused"}) is None
    with pytest.raises(PreconditionFailed):
        books.update("a", {"title": "refused"}, when=Book.pages == 2)
    assert not books.delete("none")
    with pytest.raises((Forbidden, PersistyError)):
        drafts.on_behalf_of(Caller("ben")).update("d", {"owner": "refused"})
    assert not drafts.on_behalf_of(Caller("ben")).delete("d")
    assert seen == []


def test_filters_choose_the_changes_also_by_nested_values(shop: App) -> None:
    books = shop.store(Book)
    books.create(Book(id="a", place=Place("Rome"), pages=1))
    books.create(Book(id="b", place=Place("Bari"), pages=1))
    assert [books.update(one, {"pages": 500}).pages for one in "ab"] == [100, 500]  # type: ignore[union-attr]
    assert books.update("a", {"pages": 50}).pages == 50  # type: ignore[union-attr]
    seen.clear()
    books.update("b", {"title": "moved", "place": Place("Rome")})
    books.update("b", {"title": "not pages"})
    assert [one.kind for one in seen] == ["updated", "updated"]  # those of `check`


def test_in_a_batch_only_the_refused_edits_fail(shop: App) -> None:
    books = shop.store(Book)
    results = books.edit_batch(
        [
            Create(Book(id="a", title="refused")),
            Create(Book(id="b", title="as changes")),
            Update("b", {"title": "invalid"}),
            Update("b", {"pages": 9, "title": "done"}),
            Create(Book(id="c", title="broken")),
            Create(Book(id="kept", title="kept")),
            Delete("kept"),
            Delete("none"),
        ]
    )
    codes = [one.code for one in results]
    assert codes == ["conflict", "ok", "invalid_input", "ok", "internal_error", "ok", "conflict", "not_found"]
    faults = results[2].error.faults  # type: ignore[union-attr]
    assert {one.path for one in faults} == {
        f"/edits/2/changes/{one}" for one in ("pages", "colour", "id", "place/city")
    }
    assert {one.id: one.pages for one in books.search_all()} == {"b": 9, "kept": 0}


@pytest.mark.parametrize("stores", [1, 2])
def test_an_atomic_batch_is_refused_whole(shop: App, stores: int) -> None:
    books = shop.store(Book)
    books.create(Book(id="a", pages=1))
    other: Any = Create(Book(id="b")) if stores == 1 else Create(Audit(id="b"))
    edits = [other, Update("a", {"title": "refused"}, store=Book), Create(Book(id="c", title="invalid"))]
    results = shop.edit_batch(edits, atomic=True) if stores == 2 else books.edit_batch(edits, atomic=True)
    assert [one.code for one in results] == ["aborted", "conflict", "invalid_input"]
    assert [one.id for one in books.search_all()] == ["a"]
    assert shop.store(Audit).count() == 0
    edits = [other, Update("a", {"title": "as changes"}, store=Book), Create(Book(id="c", title="in place"))]
    results = shop.edit_batch(edits, atomic=True) if stores == 2 else books.edit_batch(edits, atomic=True)
    assert [one.code for one in results] == ["ok"] * 3
    assert [one.item.pages for one in results[1:]] == [7, 0]  # type: ignore[union-attr]
    assert [books.read(one).tags for one in "ac"] == [["changed"], ["placed"]]  # type: ignore[union-attr]


def test_bulk_writes_run_the_actions_for_each_match(shop: App) -> None:
    books = shop.store(Book)
    books.edit_batch([Create(Book(id=str(number), pages=number % 2)) for number in range(6)])
    seen.clear()
    assert books.update_all({"title": "as changes"}, Book.pages == 1).changed == 3
    assert sorted(one.key for one in seen) == ["1", "3", "5"]
    assert {one.id: one.pages for one in books.search_all()} == {str(n): 7 if n % 2 else 0 for n in range(6)}
    assert books.delete_all(Book.pages == 7).changed == 3


def test_deletes_run_the_actions_of_dependents_too(shop: App) -> None:
    shelves, books, drafts = shop.store(Shelf), shop.store(Book), shop.store(Draft)
    shelves.create(Shelf(id="s"))
    books.create(Book(id="a", shelf_id="s"))
    drafts.create(Draft(id="d", owner="ann", shelf_id="s"))
    books.create(Book(id="kept", title="kept", shelf_id="s"))
    with pytest.raises(Conflict, match="kept"):
        shelves.delete("s")
    assert shelves.read("s") is not None
    assert books.read("kept") is not None
    if is_transactional(shop):
        assert books.read("a") is not None
        assert drafts.read("d").shelf_id == "s"  # type: ignore[union-attr]
    books.update("kept", {"title": "free"})
    seen.clear()
    assert shelves.delete("s")
    assert {("deleted", "s"), ("updated", "d")} <= set(kinds())
    assert books.count() == 0
    assert drafts.read("d").shelf_id is None  # type: ignore[union-attr]


def test_a_delete_that_an_action_refuses_leaves_its_dependents(shop: App) -> None:
    shelves, books = shop.store(Shelf), shop.store(Book)
    shelves.create(Shelf(id="s", name="kept"))
    books.create(Book(id="a", shelf_id="s"))
    for delete in (lambda: shelves.delete("s"), shelves.delete_all):
        with pytest.raises(Conflict, match="kept"):
            delete()
    [result] = shelves.edit_batch([Delete("s")])
    assert result.code == "conflict"
    assert (shelves.count(), books.count()) == (1, 1)


def test_atomic_deletes_are_refused_by_the_actions_of_dependents(shop: App) -> None:
    if not is_transactional(shop):
        pytest.skip("such a batch needs transactions")
    shelves, books = shop.store(Shelf), shop.store(Book)
    shelves.create(Shelf(id="s"))
    books.create(Book(id="kept", title="kept", shelf_id="s"))
    results = shelves.edit_batch([Create(Shelf(id="t")), Delete("s")], atomic=True)
    assert [one.code for one in results] == ["aborted", "conflict"]
    assert (shelves.count(), books.count()) == (1, 1)


def test_imports_run_the_actions(shop: App) -> None:
    rows = [Row(1, {"id": "a", "title": "as changes"}), Row(2, {"id": "b", "title": "refused"})]
    [settled] = load(shop.store(Book), rows, lambda given: given)
    assert [one.pages for one in shop.store(Book).search_all()] == [7]
    assert (settled.imported, [one.code for one in settled.rejected]) == (1, ["conflict"])


def test_what_an_action_writes_belongs_to_the_write(shop: App) -> None:
    books, audits = shop.store(Book), shop.store(Audit)
    books.create(Book(id="a", title="audited"))
    assert audits.read("audited") is not None
    with pytest.raises(Conflict):
        books.create(Book(id="b", title="audited in vain"))
    audits.delete("audited")
    with pytest.raises(Conflict):
        books.create(Book(id="a", title="audited"))
    if is_transactional(shop):
        assert audits.count() == 0


def test_actions_that_cause_each_other_end_with_a_typed_error(shop: App) -> None:
    books = shop.store(Book)
    with pytest.raises(TriggerLoop) as caught:
        books.create(Book(id="a", title="forever"))
    assert caught.value.details == {"limit": 8}
    assert books.count() == 0
    books.create(Book(id="b"))


def test_no_concurrent_change_comes_between_an_action_and_the_write(url: str) -> None:
    """Another caller changes the item while the action runs: the action runs again, or the other waits."""
    ran = threading.Event()
    others: list[threading.Thread] = []

    @action(triggers=BeforeUpdate(Book))
    def sum_up(event: Event[Book]) -> dict[str, Any]:
        if event.item.title == "sum" and not ran.is_set():
            ran.set()
            other = threading.Thread(target=lambda: app.store(Book).update("a", {"code": 5, "tags": ["other"]}))
            other.start()
            others.append(other)
            if not is_transactional(app):
                other.join()
        return {"pages": (event.item.code or 0) + len(event.item.tags)}

    app = app_at(url, [sum_up])
    books = app.store(Book)
    books.create(Book(id="a"))
    books.update("a", {"title": "sum"})
    for one in others:
        one.join()
    found = books.read("a")
    assert found is not None
    assert (found.title, found.code, found.tags, found.pages) == ("sum", 5, ["other"], 6)
    app.close()


def test_the_event_of_an_after_trigger_has_the_id_that_the_before_trigger_saw(tmp_path: Any) -> None:
    for url in ("memory://", f"sqlite:///{tmp_path}/shop.db"):
        app = shop_at(url, recorded)
        app.store(Book).create(Book(id="a"))
        assert drain(app) == 1
        before, after = seen
        assert before.id == after.id
        app.close()


def test_an_action_that_takes_too_long_refuses_the_write(caplog: pytest.LogCaptureFixture) -> None:
    @action(triggers=Before(Audit, on=["create"]), timeout=0.01)  # type: ignore[arg-type]
    async def slow(event: Event[Audit]) -> None:
        await asyncio.sleep(5)

    @action(triggers=Before(Shelf, on=["create"]), timeout=0.001)  # type: ignore[arg-type]
    def slow_too(event: Event[Shelf]) -> None:
        time.sleep(0.01)

    app = app_at("memory://", [slow, slow_too])
    for create in (lambda: app.store(Audit).create(Audit(id="a")), lambda: app.store(Shelf).create(Shelf(id="a"))):
        with caplog.at_level(logging.ERROR), pytest.raises(InternalError):
            create()
    assert app.store(Audit).count() == app.store(Shelf).count() == 0


def test_actions_run_in_the_order_of_their_declaration_each_with_the_result_of_the_one_before() -> None:
    @action(triggers=Before(Audit, on=["create"]))
    def first(event: Event[Audit]) -> dict[str, str]:
        return {"text": event.item.text + "1"}

    @action(triggers=Before(Audit, on=["create"], where=Audit.text == "1"))
    def second(event: Event[Audit]) -> dict[str, str]:
        return {"text": event.item.text + "2"}

    app = app_at("memory://", [first, second])
    assert app.store(Audit).create(Audit(id="a")).text == "12"
