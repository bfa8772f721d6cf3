"""Writes, the items stored after them, and their outcomes when a response is lost: the same on every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from msgspec import Struct

from persisty import App, add, append

from .items import A, Account, S, Slot
from .verdict import DOUBT, OK


class Case(Struct, frozen=True):
    """A write of `item`, whose stored values are `before` (None: no such item) and then `after`.

    `answer`: the outcome if the first attempt was executed and its response lost. `otherwise`: the outcome if it was not executed, which
    the client cannot observe. `sent`: the number of attempts, after so many `reads`.
    """

    item: type[Any]
    before: dict[str, Any] | None
    call: Callable[[Any, Any], Any]
    after: dict[str, Any] | None
    answer: str = OK
    otherwise: str = OK
    sent: int = 2
    reads: int = 0


FREE = {"owner": None}
WRITES: dict[str, Case] = {
    "create": Case(Account, None, lambda store, key: store.create(Account(id=key)), FREE),
    "create without a timestamp": Case(Slot, None, lambda store, key: store.create(Slot(id=key)), FREE, DOUBT),
    "update": Case(Account, FREE, lambda store, key: store.update(key, {"owner": "me"}), {"owner": "me"}),
    "update without a timestamp": Case(
        Slot, FREE, lambda store, key: store.update(key, {"owner": "me"}), {"owner": "me"}
    ),
    "update with a condition": Case(
        Account, FREE, lambda store, key: store.update(key, {"owner": "me"}, when=A.owner.is_null()), {"owner": "me"}
    ),
    "update with a condition and without a timestamp": Case(
        Slot,
        FREE,
        lambda store, key: store.update(key, {"owner": "me"}, when=S.owner.is_null()),
        {"owner": "me"},
        DOUBT,
    ),
    "update with an optimistic lock": Case(
        Account, FREE, lambda store, key: store.update(key, {"owner": "me"}, when=A.version == 1), {"owner": "me"}
    ),
    "update with a condition that the client decides": Case(
        Account,
        {"owner": "ann"},
        lambda store, key: store.update(key, {"owner": "me"}, when=A.owner.endswith("nn")),
        {"owner": "me"},
        reads=1,
    ),
    "add": Case(
        Account, {"balance": 5}, lambda store, key: store.update(key, {"balance": add(2)}), {"balance": 7}, OK, DOUBT, 1
    ),
    "add without a timestamp": Case(
        Slot, {"count": 5}, lambda store, key: store.update(key, {"count": add(2)}), {"count": 7}, DOUBT, DOUBT, 1
    ),
    "add with a condition": Case(
        Slot,
        {"count": 5},
        lambda store, key: store.update(key, {"count": add(2)}, when=S.count == 5),
        {"count": 7},
        DOUBT,
        DOUBT,
        1,
    ),
    "append": Case(
        Account,
        {"log": ["a"]},
        lambda store, key: store.update(key, {"log": append("b")}),
        {"log": ["a", "b"]},
        OK,
        DOUBT,
        1,
    ),
    "delete": Case(Account, FREE, lambda store, key: store.delete(key), None, DOUBT),
    "delete with a condition": Case(
        Slot, FREE, lambda store, key: store.delete(key, when=S.owner.is_null()), None, DOUBT
    ),
}


def stored(near: App, case: Case, key: Any) -> dict[str, Any] | None:
    """Return the stored values of the attributes that the case is about."""
    item = near.store(case.item).read(key)
    names = case.after or case.before or {}
    return None if item is None else {name: getattr(item, name) for name in names}


def prepared(near: App, case: Case) -> Any:
    """Return a new key, under which the item before the write is stored."""
    key = uuid4() if case.item is Account else uuid4().hex
    if case.before is not None:
        near.store(case.item).create(case.item(id=key, **case.before))
    return key
