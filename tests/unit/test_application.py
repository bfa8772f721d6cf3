"""`App`: its items, and the engine that is opened at the first use."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any
from uuid import UUID

import pytest

from persisty import App, InvalidDeclaration, stored
from persisty.application import engines, load_app
from persisty.backends.memory import MemoryEngine


@stored
class Thing:
    id: UUID
    name: str = ""


@stored(name="thing")
class Namesake:
    id: UUID


@stored
class Stranger:
    id: UUID


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PERSISTY_URL", "PERSISTY_STAGE"):
        monkeypatch.delenv(name, raising=False)


def test_declaring_an_app_opens_nothing(tmp_path: Path) -> None:
    app = App("my-shop", items=[Thing])
    assert (app.url, app.stage) == ("sqlite:///my-shop.db", "dev")
    assert list(app.metas) == ["thing"]
    assert list(tmp_path.iterdir()) == []
    app.close()
    assert list(tmp_path.iterdir()) == []


def test_the_environment_selects_the_engine_of_an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_URL", "memory://")
    monkeypatch.setenv("PERSISTY_STAGE", "prod")
    app = App("shop", items=[Thing])
    assert (app.url, app.stage) == ("memory://", "prod")
    app.store(Thing).create(Thing(name="x"))
    assert app.store(Thing).count() == 1


def test_a_store_is_found_by_its_class_or_its_name() -> None:
    app = App("shop", items=[Thing], url="memory://")
    assert app.store(Thing) is app.store("thing")
    assert app.store(Thing).meta.item is Thing
    for wrong in (Stranger, Namesake, "stranger", int):
        with pytest.raises(InvalidDeclaration):
            app.store(wrong)


def test_every_mistake_of_an_app_is_reported() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        App("Not Kebab", items=[Thing, Namesake])
    assert [fault.path for fault in caught.value.faults] == ["/name", "/items"]
    with pytest.raises(InvalidDeclaration):
        App("", items=[])
    with pytest.raises(InvalidDeclaration):
        App("shop", items=[int])


@pytest.mark.parametrize("url", ["nowhere://", "x", "", "http://localhost"])
def test_an_unknown_scheme_is_reported_with_the_known_ones(url: str) -> None:
    app = App("shop", items=[Thing])
    app.use(url)
    with pytest.raises(InvalidDeclaration) as caught:
        app.store(Thing).count()
    assert "sqlite" in str(caught.value.faults[0].expected)


def test_a_missing_driver_is_reported_with_the_extra_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("persisty.backends.sql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(InvalidDeclaration, match=r"pip install 'persisty\[sql\]'"):
        App("shop", items=[Thing]).store(Thing).count()


def test_stores_follow_the_app_to_another_engine_and_survive_its_closing(tmp_path: Path) -> None:
    app = App("shop", items=[Thing], url="memory://")
    store = app.store(Thing)
    store.create(Thing())
    app.use(f"sqlite:///{tmp_path}/a.db")
    assert store.count() == 0
    stored = store.create(Thing(name="stored"))
    app.close()
    assert store.read(stored.id) == stored
    app.close()
    app.close()


def test_concurrent_first_calls_share_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[MemoryEngine] = []

    def slowly(url: str, **_: Any) -> MemoryEngine:
        sleep(0.02)
        opened.append(MemoryEngine())
        return opened[-1]

    monkeypatch.setattr(engines, "connect", slowly)
    app = App("shop", items=[Thing])
    gate = threading.Barrier(8)

    def create(number: int) -> None:
        gate.wait()
        app.store(Thing).create(Thing(name=str(number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(8)))
    assert len(opened) == 1
    assert app.store(Thing).count() == 8


def test_load_app_finds_an_app_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "a_shop_to_load.py").write_text(
        "from uuid import UUID\nfrom persisty import App, stored\n@stored\nclass Thing:\n    id: UUID\n"
        "app = App('shop', items=[Thing])\nother = App('other', items=[])\n"
    )
    (tmp_path / "a_shop_without_app.py").write_text("other = 1")
    (tmp_path / "a_broken_shop.py").write_text("import there_is_no_such_module\n")
    assert load_app("a_shop_to_load").name == "shop"
    assert load_app("a_shop_to_load:other").name == "other"
    for spec, message in {
        "a_shop_to_load:Thing": "is not an App",
        "a_shop_to_load:nothing": "is not an App: a_shop_to_load has no `nothing`. Its apps: a_shop_to_load:app, a_shop_to_load:other",
        "a_shop_without_app": "is not an App: a_shop_without_app has no `app`. a_shop_without_app has no App",
        "no_such_shop:app": "There is no module no_such_shop",
    }.items():
        with pytest.raises(InvalidDeclaration, match=message):
            load_app(spec)
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        load_app("a_broken_shop")


def test_actions_are_marked_functions_or_modules_of_them() -> None:
    def plain() -> None: ...

    app = App("shop", items=[], actions=[plain])
    with pytest.raises(InvalidDeclaration, match="not marked"):
        _ = app.actions
    assert [one.__name__ for one in App("shop", items=[], actions=["examples.messenger.actions"]).actions]
