"""A rule is a condition of the write: the engine sees changes between the caller's request and the write.

```
the role:       request ─────────────── write, on the condition of its rule → rejected
another writer:       changes owner ──┘
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from persisty import Create, Delete, PersistyError, Store, Update
from persisty.store.backend import Backend, Bulk, BulkWrite, Capabilities, Engine, Write, WriteResult

from .cast import MEMBER, OWNER, Role
from .fixtures import OpenEngine
from .oracle import Row
from .surfaces import Python
from .world import Stage, StagedApp, world_of


class Meddling:
    """A backend that runs another writer just before its next write."""

    def __init__(self, inner: Backend[Any], engine: MeddlingEngine) -> None:
        self._inner, self._engine = inner, engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, writes: Sequence[Write], *, atomic: bool) -> list[WriteResult]:
        self._engine.meddled()
        return self._inner.write(writes, atomic=atomic)

    def write_all(self, bulk: BulkWrite) -> Bulk:
        self._engine.meddled()
        return self._inner.write_all(bulk)


class MeddlingEngine:
    """An engine of `Meddling` backends. `before` is called once, before the next write of any of them."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.before: Callable[[], Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open(self, meta: Any) -> Any:
        return Meddling(self._inner.open(meta), self)

    def meddled(self) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()


class Racing(Stage):
    """A stage with another writer that writes first."""

    def __init__(self, open_engine: OpenEngine) -> None:
        self.engine = MeddlingEngine(open_engine())
        super().__init__(open_engine, world_of("python"), StagedApp(lambda: self.engine))

    def meanwhile(self, kind: str, key: str, changes: Row) -> None:
        """Change a row as trusted code before the next write."""
        self.engine.before = lambda: self.store(kind).update(key, changes)


@pytest.fixture(scope="session")
def racing(open_engine: OpenEngine) -> Iterator[Racing]:
    with closing(Racing(open_engine)) as made:
        yield made


WRITES: dict[str, Callable[[Store[Any], str], Any]] = {
    "update": lambda store, key: store.update(key, {"text": "mine"}),
    "update with a condition": lambda store, key: store.update(key, {"text": "mine"}, when=store.meta.item.id == key),
    "delete": lambda store, key: store.delete(key) or None,
    "edit_batch, update": lambda store, key: store.edit_batch([Update(key, {"text": "mine"})])[0].item,
    "edit_batch, delete": lambda store, key: store.edit_batch([Delete(key)])[0].code == "ok" or None,
    "atomic": lambda store, key: store.edit_batch([Update(key, {"text": "mine"})], atomic=True)[0].item,
    "update_all": lambda store, key: store.update_all({"text": "mine"}, store.meta.item.id == key).changed or None,
    "delete_all": lambda store, key: store.delete_all(store.meta.item.id == key).changed or None,
}
"""Ways to write a row. Each returns None if the row was not written."""
MOVES: list[tuple[Role, str, str, Row]] = [
    (OWNER, "diary", "python-anns", {"owner_id": "eve"}),
    (OWNER, "article", "python-ann2", {"owner_id": "eve"}),
    (OWNER, "comment", "python-c2", {"owner_id": "eve"}),
    (MEMBER, "ledger", "python-red", {"tenant": "gold"}),
    (MEMBER, "team", "python-red", {"tenant": "gold"}),
]
"""A role, a row of its own, and the change that another writer makes meanwhile."""


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("role", "kind", "key", "meanwhile"), MOVES, ids=lambda one: str(one) if isinstance(one, Role | str) else ""
)
def test_a_row_that_changes_owner_meanwhile_is_not_written(
    racing: Racing, role: Role, kind: str, key: str, meanwhile: Row, write: str
) -> None:
    racing.meanwhile(kind, key, meanwhile)
    store = Python(racing.app).store(role, kind)
    try:
        done = WRITES[write](store, key)
    except PersistyError as error:
        assert error.code in ("forbidden", "not_found")  # noqa: PT017 - or None
        done = None
    assert racing.engine.before is None, "no write was sent"
    found = racing.settle((kind, *(("comment",) if kind == "article" else ("notice",) if kind == "diary" else ())))
    assert done is None
    changed = {**racing.world[kind][key], **meanwhile}
    changed |= {"version": changed["version"] + 1} if "version" in changed else {}
    assert found[kind][key] == changed


def test_an_item_that_is_published_meanwhile_is_not_deleted(racing: Racing, capabilities: Capabilities) -> None:
    """The rule of a delete is that the article is not published. Without transactions, dependent items are deleted before it."""
    store = Python(racing.app).store(OWNER, "article")
    racing.meanwhile("article", "python-ann2", {"published": True})
    with pytest.raises(PersistyError, match="Not allowed"):
        store.delete("python-ann2")
    found = racing.settle(("article", "comment"))
    assert found["article"]["python-ann2"]["published"]
    assert not capabilities.transactions or found["comment"].keys() == racing.world["comment"].keys()


def test_a_rule_through_a_link_is_a_condition_of_the_write(racing: Racing) -> None:
    """A comment needs a published article. This one is unpublished meanwhile; its owner may still read it."""
    store = Python(racing.app).store(OWNER, "comment")
    racing.meanwhile("article", "python-ann1", {"published": False})
    code: Any = None
    try:
        store.create({"id": "python-late", "article_id": "python-ann1"})
    except PersistyError as error:
        code = error.code
    found = racing.settle(("article", "comment"))
    assert "python-late" not in found["comment"]
    assert code in ("invalid_input", "forbidden")


def test_no_link_is_made_to_an_item_that_became_hidden(racing: Racing) -> None:
    store = Python(racing.app).store(OWNER, "comment")
    edits: list[Callable[[], Any]] = [
        lambda: store.create({"id": "python-late", "article_id": "python-bob1"}),
        lambda: store.update("python-c2", {"article_id": "python-bob1"}),
        lambda: store.edit_batch([Create({"id": "python-late", "article_id": "python-bob1"})])[0].item,
    ]
    for edit in edits:
        racing.meanwhile("article", "python-bob1", {"published": False})
        try:
            assert edit() is None
        except PersistyError as error:
            assert error.code in ("invalid_input", "forbidden")  # noqa: PT017 - or None
        found = racing.settle(("article", "comment"))
        assert found["comment"] == racing.world["comment"]
