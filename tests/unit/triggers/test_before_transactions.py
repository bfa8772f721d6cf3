"""Before triggers and transactions of the app, concurrent writers, the item cache, and items that do not fit their declaration."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct
from servey.action.action import action

from persisty import App, Attr, Before, BeforeUpdate, Cache, Conflict, Create, Event, UnreadableItem, add, stored
from persisty.application.working import drain
from persisty.store.store import context_of

from .shop import Audit, Book, app_at, recorded, shop_at

KINDS = ("memory", "sqlite", "postgresql")


@pytest.fixture(params=KINDS[1:])
def transactional_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return f"{request.getfixturevalue('postgres_url')}&schema={tmp_path.name[:40].replace('[', '_').replace(']', '_')}"


def test_a_refused_write_undoes_its_own_part_of_a_transaction_only(transactional_url: str) -> None:
    app = shop_at(transactional_url, recorded)
    books, audits = app.store(Book), app.store(Audit)
    with app.transaction():
        books.create(Book(id="a"))
        with pytest.raises(Conflict):
            books.create(Book(id="b", title="audited in vain"))
        results = books.edit_batch([Create(Book(id="c", title="refused")), Create(Book(id="d"))])
        assert [one.code for one in results] == ["conflict", "ok"]
        assert books.update("a", {"title": "as changes"}).pages == 7  # type: ignore[union-attr]
    assert sorted(one.id for one in books.search_all()) == ["a", "d"]
    assert audits.count() == 0
    assert drain(app) == 2
    app.close()


def test_a_transaction_that_is_rolled_back_leaves_nothing_of_its_actions(transactional_url: str) -> None:
    app = shop_at(transactional_url)
    with suppress(ZeroDivisionError), app.transaction():
        app.store(Book).create(Book(id="a", title="audited"))
        assert app.store(Audit).count() == 1
        raise ZeroDivisionError
    assert app.store(Audit).count() == app.store(Book).count() == 0
    app.close()


class Totals(Struct):
    open: int = 0


@stored(cache=Cache(60))
class Account:
    id: Attr[str]
    credits: Attr[int] = Attr(default=0)
    debits: Attr[int] = Attr(default=0)
    balance: Attr[int] = Attr(default=0)
    totals: Attr[Totals] = Attr(factory=Totals)


@pytest.mark.parametrize("kind", [*KINDS, "dynamodb-local"])
def test_a_derived_value_is_right_after_concurrent_writes(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/bank.db"}
    url = urls.get(kind)
    if kind == "postgresql":
        url = f"{request.getfixturevalue('postgres_url')}&schema=before_accounts"
    elif kind == "dynamodb-local":
        url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}"

    @action(triggers=Before(Account, on=["create", "update"]))
    def balance(event: Event[Account]) -> dict[str, Any]:
        found = event.item
        return {"balance": found.credits - found.debits, "totals": Totals(found.credits + found.debits)}

    app = App("bank", items=[Account], actions=[balance], url=url, stage="bank", cache=True, idempotency=None)
    app.prepare()
    accounts = app.store(Account)
    accounts.create(Account(id="a"))
    failures: list[Exception] = []

    def work(name: str) -> None:
        for _ in range(10):
            for _ in range(20):  # a caller repeats a write that met too many others
                try:
                    accounts.update("a", {name: add(1)})
                    break
                except Exception as error:
                    last = error
            else:
                failures.append(last)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("credits", "credits", "debits")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    found = accounts.read("a")
    assert found == Account(id="a", credits=20, debits=10, balance=10, totals=Totals(30))
    app.close()


def test_an_item_that_does_not_fit_its_declaration_can_be_repaired_and_deleted() -> None:
    @action(triggers=Before("task", on=["update", "delete"]))
    def look(event: Event[Any]) -> None:
        kinds.append((event.kind, event.before.state))

    @stored(name="task")
    class Older:
        id: Attr[str]
        state: Attr[Literal["open", "old"]]

    @stored(name="task")
    class Task:
        id: Attr[str]
        state: Attr[Literal["open", "done"]]

    kinds: list[Any] = []
    app = App("tasks", items=[Older], actions=[look], url="memory://", idempotency=None)
    app.store(Older).edit_batch([Create(Older(id="a", state="old")), Create(Older(id="b", state="old"))])
    app.replace(Task)
    app.prepare(Task)
    tasks = app.store(Task)
    with pytest.raises(UnreadableItem):
        tasks.read("a")
    assert tasks.update("a", {"state": "done"}) == Task(id="a", state="done")
    assert tasks.delete("b")
    assert kinds == [("updated", None), ("deleted", None)]


def test_one_update_with_a_trigger_is_one_read_and_one_write() -> None:
    @action(triggers=BeforeUpdate(Audit))
    def look(event: Event[Audit]) -> None: ...

    app = app_at("memory://", [look, recorded])
    audits = app.store(Audit)
    audits.create(Audit(id="a"))
    path = context_of(audits).path
    calls: list[str] = []
    read, write = path._read_before, path.backend.write
    path._read_before = lambda keys: (calls.append("read"), read(keys))[1]  # type: ignore[func-returns-value]
    path.backend.write = lambda *a, **o: (calls.append("write"), write(*a, **o))[1]  # type: ignore[method-assign,func-returns-value]
    app.listen([Audit], lambda change: None, before=True)
    audits.update("a", {"text": "1"})
    assert calls == ["read", "write"]
