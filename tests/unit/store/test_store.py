"""The public surface of `Store`: its verbs, and the store of a caller."""

from __future__ import annotations

from datetime import UTC, datetime

from persisty import ANONYMOUS, App, Caller, Store, public, stored
from persisty.model.verbs import VERBS
from persisty.store.store import context_of

PYTHON_ONLY = {
    "select",
    "search_all",
    "count_by",
    "aggregate",
    "explain",
    "related",
    "links",
    "update_all",
    "delete_all",
}


@stored(access=public)
class Jar:
    id: str
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_store_has_the_verbs_and_no_other_public_name() -> None:
    store = App("jars", items=[Jar], url="memory://").store(Jar)
    names = {name for name in dir(store) if not name.startswith("_")}
    assert names == {"meta", "on_behalf_of", *VERBS, *PYTHON_ONLY}


def test_a_callers_store_is_cached_and_follows_the_app_to_another_engine() -> None:
    app = App("jars", items=[Jar], url="memory://")
    ann = Caller(subject="ann")
    mine: Store[Jar] = app.store(Jar).on_behalf_of(ann)
    assert app.store(Jar).on_behalf_of(ann) is mine
    assert mine.on_behalf_of(ANONYMOUS) is app.store(Jar).on_behalf_of(ANONYMOUS)
    mine.create(Jar(id="1"))
    app.use("memory://")
    assert mine.read("1") is None
    assert context_of(mine).path is context_of(app.store(Jar)).path
