"""In any order of calls, a cached store returns the same as one without a cache, except for writes of other processes."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from persisty import Attr, Cache, Create, Delete, PersistyError, Store, Update, add, append, stored
from persisty.backends import connect
from persisty.model.meta import meta_of
from persisty.store.connection import Connection
from persisty.store.context import StoreContext
from persisty.store.store import context_of

SECONDS, ITEMS = 10, 3


@stored(cache=Cache(seconds=SECONDS, items=ITEMS))
class Thing:
    id: str
    count: int = 0
    tags: list[str] = Attr(factory=list)


@stored(name="thing", cache=Cache(seconds=SECONDS, items=ITEMS, misses=True))
class Sought:
    id: str
    count: int = 0
    tags: list[str] = Attr(factory=list)


KEYS = st.sampled_from("abcde")
CHANGES = st.sampled_from(
    [{"count": 1}, {"count": add(1)}, {"tags": append("x")}, {"tags": []}, {"count": 2, "tags": ["y"]}]
)
EDITS = st.lists(
    st.one_of(
        st.builds(lambda key: Create({"id": key}), KEYS),
        st.builds(Update, KEYS, CHANGES),
        st.builds(Delete, KEYS),
    ),
    max_size=4,
)


class Cached(RuleBasedStateMachine):
    """A state machine. `others`: the keys that another process has written, with the times."""

    @initialize(item=st.sampled_from([Thing, Sought]))
    def open(self, item: type[Any]) -> None:
        meta, engine = meta_of(item), connect("sqlite://", app="things", stage="dev")
        self.now = 0.0
        cached, plain = Connection(engine, cached=True, clock=lambda: self.now), Connection(engine)
        self.store: Store[Any] = Store(StoreContext(meta, lambda: cached.open(meta)))
        self.others: Store[Any] = Store(StoreContext(meta, lambda: plain.open(meta)))
        self.late: dict[str, float] = {}

    def wrote(self, call: Any, keys: set[str]) -> None:
        """Writes of this process are visible at once."""
        with contextlib.suppress(PersistyError):
            call()
        for key in keys:
            self.late.pop(key, None)

    @rule(key=KEYS)
    def create(self, key: str) -> None:
        self.wrote(lambda: self.store.create({"id": key}), {key})

    @rule(key=KEYS, changes=CHANGES)
    def update(self, key: str, changes: dict[str, Any]) -> None:
        self.wrote(lambda: self.store.update(key, changes), {key})

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.wrote(lambda: self.store.delete(key), {key})

    @rule(edits=EDITS, atomic=st.booleans())
    def batch(self, edits: list[Any], atomic: bool) -> None:
        keys = {one.item["id"] if isinstance(one, Create) else one.key for one in edits}
        if atomic:  # a missing item fails the batch before anything is written, so the cache keeps its entries
            keys &= set()
        self.wrote(lambda: self.store.edit_batch(edits, atomic=atomic), keys)

    @rule(changes=CHANGES)
    def update_all(self, changes: dict[str, Any]) -> None:
        self.wrote(lambda: self.store.update_all(changes), set("abcde"))

    @rule()
    def delete_all(self) -> None:
        self.wrote(lambda: self.store.delete_all(where=None), set("abcde"))

    @rule(key=KEYS, changes=CHANGES)
    def update_in_a_transaction(self, key: str, changes: dict[str, Any]) -> None:
        with context_of(self.store).path.transaction():
            self.wrote(lambda: self.store.update(key, changes), {key})
            assert self.store.read(key) == self.others.read(key)

    @rule(key=KEYS)
    def change_what_was_given(self, key: str) -> None:
        item = self.store.read(key)
        if item is not None:
            item.count = 99
            item.tags.append("changed")

    @rule(key=KEYS, changes=st.one_of(st.none(), CHANGES))
    def somebody_else_writes(self, key: str, changes: dict[str, Any] | None) -> None:
        if changes is None:
            self.others.delete(key)
        elif self.others.update(key, changes) is None:
            self.others.create({"id": key})
        self.late[key] = self.now + SECONDS

    @precondition(lambda self: self.late)
    @rule()
    def time_passes(self) -> None:
        self.now += SECONDS

    @rule(seconds=st.floats(0, SECONDS))
    def some_time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(keys=st.lists(KEYS, max_size=6))
    def read(self, keys: list[str]) -> None:
        found, stored = self.store.read_batch(keys), self.others.read_batch(keys)
        for key, here, there in zip(keys, found, stored, strict=True):
            assert here == there or self.now < self.late.get(key, 0), key

    @invariant()
    def nothing_is_left_over(self) -> None:
        if hasattr(self, "store"):
            shelf: Any = context_of(self.store).path._cache._entries  # type: ignore[union-attr]
            assert len(shelf._cached) <= ITEMS
            assert (shelf._loads, shelf._writing, shelf._writing_all) == ({}, {}, 0)


TestCached = Cached.TestCase
TestCached.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
