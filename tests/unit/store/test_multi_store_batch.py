"""`App.edit_batch`: the rules of a caller over several stores, and the effects on listeners and caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from persisty import (
    Access,
    App,
    Attr,
    Cache,
    Caller,
    Change,
    Create,
    Delete,
    Forbidden,
    InvalidInput,
    Update,
    authenticated,
    nobody,
    owned,
    public,
    stored,
)


@stored(access=owned("owner_id"), cache=Cache(seconds=60))
class Purse:
    id: Attr[UUID]
    owner_id: Attr[str]
    coins: Attr[int] = Attr(default=0)


@stored(access=Access(read=authenticated, create=authenticated, delete=nobody))
class Receipt:
    id: Attr[UUID]
    text: Attr[str]


ANN, BEN = Caller("ann"), Caller("ben")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App("bank", items=[Purse, Receipt], url=f"sqlite:///{tmp_path}/a.db", cache=True)
    app.prepare()
    yield app
    app.close()


def test_each_edit_is_checked_by_the_rules_of_its_store(app: App) -> None:
    mine = app.store(Purse).create({"owner_id": "ann"})
    edits = [Update(mine.id, {"coins": 5}, store=Purse), Create(Receipt(text="5 coins"))]
    assert [one.code for one in app.edit_batch(edits, caller=BEN)] == ["not_found", "ok"]
    assert [one.code for one in app.edit_batch(edits, atomic=True, caller=BEN)] == ["not_found", "aborted"]
    assert app.store(Receipt).count() == 1
    assert [one.code for one in app.edit_batch(edits, atomic=True, caller=ANN)] == ["ok", "ok"]
    receipt = app.store(Receipt).search().items[0]
    with pytest.raises(Forbidden):
        app.edit_batch([Update(mine.id, {"coins": 6}, store=Purse), Delete(receipt.id, store=Receipt)], caller=ANN)
    assert app.store(Purse).read(mine.id).coins == 5


def test_an_atomic_batch_delivers_its_changes_and_clears_cached_items(app: App) -> None:
    mine = app.store(Purse).create({"owner_id": "ann"})
    app.store(Purse).read(mine.id)
    heard: list[Change] = []
    app.listen([Purse, Receipt], heard.append)
    edits = [Update(mine.id, {"coins": 5}, store="purse"), Create({"text": "x"}, store="receipt")]
    assert [one.code for one in app.edit_batch([*edits, Delete(uuid4(), store=Purse)], atomic=True)][-1] == "not_found"
    assert heard == []
    app.edit_batch(edits, atomic=True, caller=ANN)
    assert [(one.store, one.kind, one.caller) for one in heard] == [
        ("purse", "updated", "ann"),
        ("receipt", "created", "ann"),
    ]
    assert app.store(Purse).read(mine.id).coins == 5


def test_an_edit_without_a_store_or_with_an_unknown_one_is_reported(app: App) -> None:
    @stored(access=public)
    class Stranger:
        id: Attr[UUID]

    with pytest.raises(InvalidInput) as caught:
        app.edit_batch([Create({"text": "x"}), Delete("x", store="nope"), Create(Stranger()), "rubbish"])  # type: ignore[list-item]
    assert [fault.path for fault in caught.value.faults] == [
        "/edits/0/store",
        "/edits/1/store",
        "/edits/2/store",
        "/edits/3",
    ]


@pytest.mark.parametrize("atomic", [False, True])
def test_an_empty_batch_has_no_results(app: App, atomic: bool) -> None:
    assert app.edit_batch([], atomic=atomic) == []
    assert app.edit_batch([], atomic=atomic, caller=ANN) == []
