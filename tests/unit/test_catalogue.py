"""The catalogue of an app: items that are added, replaced and removed while the app runs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from persisty import (
    App,
    Attr,
    BackendUnavailable,
    BelongsTo,
    Conflict,
    HasMany,
    InvalidDeclaration,
    link,
    linked,
    owned,
    stored,
)
from persisty.model.compilation import compile_schema
from persisty.model.meta import StoreMeta, meta_of
from persisty.store.store import context_of


@stored(key="name", access=owned("owner"))
class Team:
    name: Attr[str]
    owner: Attr[str]


@stored(key="id")
class Log:
    id: Attr[str]


def players(on_delete: str = "cascade") -> type[Any]:
    @stored(key="id", access=linked("team", owned("owner")))
    class Player:
        id: Attr[str]
        team_name: Attr[str]
        team: BelongsTo[Team] = link(by="team_name", on_delete=on_delete)  # type: ignore[type-arg]

    return Player


def team(**further: Any) -> StoreMeta[Any]:
    """Return another version of the item `team`, with further attributes that may be None."""
    annotations = {"name": Attr[str], "owner": Attr[str], **dict.fromkeys(further, Attr[str | None])}
    body = {"__annotations__": annotations, "__module__": __name__, **further}
    return meta_of(stored(key="name", access=owned("owner"))(type("Team", (), body)))


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/league.db"
    app = App("league", items=[Team, Log], url=url)
    yield app
    app.close()


def test_an_added_item_has_a_store_with_its_links_and_referential_actions(app: App) -> None:
    player = players()
    before = app.catalogue
    app.store(Team).create(Team(name="a", owner="ann"))
    assert app.add(player) == app.catalogue.revision == before.revision + 1
    app.prepare(player)
    app.store(player).create(player(id="1", team_name="a"))
    assert app.store(player).count(player.team.owner == "ann") == 1
    assert app.store(Team).delete("a")
    assert app.store(player).count() == 0
    assert "player" not in before.metas


def test_only_items_linked_to_an_added_item_get_new_stores(app: App) -> None:
    log, teams, metas = app.store(Log), app.store(Team), dict(app.metas)
    app.add(players())
    assert app.store(Log) is log
    assert app.store(Team) is not teams
    assert {name: app.metas[name] for name in metas} == metas
    assert context_of(app.store(Team)).path is context_of(teams).path


def test_an_existing_store_continues_with_its_items(app: App) -> None:
    player = players()
    app.add(player)
    app.prepare()
    old = app.store(player)
    app.store(Team).create(Team(name="a", owner="ann"))
    app.remove("player")
    old.create({"id": "1", "team_name": "a"})
    assert old.read("1") is not None
    with pytest.raises(InvalidDeclaration):
        app.store("player")


def test_an_item_that_another_links_to_cannot_be_removed(app: App) -> None:
    app.add(players())
    before = app.catalogue
    with pytest.raises(InvalidDeclaration) as refused:
        app.remove(Team)
    assert [fault.path for fault in refused.value.faults] == ["/player/team"]
    assert app.catalogue is before
    app.revise(remove=["player", "team"])
    assert list(app.metas) == ["log"]


def test_a_change_that_breaks_the_rule_of_another_item_changes_nothing(app: App) -> None:
    app.add(players())
    before = app.catalogue

    @stored(key="name", access=owned("captain"))
    class Team:
        name: Attr[str]
        captain: Attr[str]

    with pytest.raises(InvalidDeclaration) as refused:
        app.replace(Team)
    assert [fault.path for fault in refused.value.faults] == ["/player/access/linked/team/owned/owner"]
    assert app.catalogue is before


def test_other_items_link_to_a_replaced_item(app: App) -> None:
    player = players()
    app.add(player)
    app.prepare()
    app.store(Team).create(Team(name="a", owner="ann"))
    app.store(player).create(player(id="1", team_name="a"))
    old = meta_of(player)
    renewed = team(city=Attr(default=None))
    app.replace(renewed)
    assert app.metas["player"].links["team"].ends.target is app.metas["team"] is renewed
    assert old.links["team"].ends.target is meta_of(Team)
    found = app.store("team").read("a")
    assert (found.name, found.owner, found.city) == ("a", "ann", None)
    app.store("team").update("a", {"city": "Rome"})
    assert app.store("team").delete("a")
    assert app.store("player").read("1") is None


def test_an_old_store_of_an_item_that_was_replaced_in_memory_raises_a_retryable_error() -> None:
    app = App("league", items=[Team], url="memory://")
    old = app.store(Team)
    old.create(Team(name="a", owner="ann"))
    app.replace(team(city=Attr(default=None)))
    app.store("team").update("a", {"city": "Rome"})
    with pytest.raises(BackendUnavailable):
        old.read("a")


def test_items_in_memory_that_do_not_fit_the_new_schema_are_not_deleted() -> None:
    @stored(key="name")
    class Team:
        name: Attr[str]
        size: Attr[int]

    app = App("league", items=[team()], url="memory://")
    app.store("team").create({"name": "a", "owner": "ann"})
    app.replace(Team)
    with pytest.raises(InvalidDeclaration) as refused:
        app.store(Team).read("a")
    assert [fault.path for fault in refused.value.faults] == ["/team/size"]


def test_items_in_memory_with_equal_values_of_a_new_unique_index_conflict() -> None:
    from persisty import Unique

    @stored(key="name", indexes=[Unique("owner")])
    class Team:
        name: Attr[str]
        owner: Attr[str]

    app = App("league", items=[team()], url="memory://")
    for name in "ab":
        app.store("team").create({"name": name, "owner": "ann"})
    app.replace(Team)
    with pytest.raises(Conflict):
        app.store(Team).read("a")


def test_mistakes_of_a_change_are_listed_together(app: App) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        app.revise(add=[team()], remove=["nope"])
    assert [fault.path for fault in refused.value.faults] == ["/items/team", "/items/nope"]
    with pytest.raises(InvalidDeclaration) as refused:
        app.replace(players())
    assert [fault.path for fault in refused.value.faults] == ["/items/player"]


def test_a_schema_can_be_added_like_its_class(app: App) -> None:
    app.add(meta_of(players()).schema)
    app.prepare()
    app.store(Team).create(Team(name="a", owner="ann"))
    app.store("player").create({"id": "1", "team_name": "a"})
    assert app.store(Team).delete("a")
    assert app.store("player").count() == 0


def test_one_class_serves_apps_that_declare_its_target_differently() -> None:
    player = players()
    first = App("first", items=[Team, player], url="memory://")
    other = App("other", items=[team(), player], url="memory://")
    for app in (first, other):
        assert app.metas["player"].links["team"].ends.target is app.metas["team"]


def test_removed_items_are_garbage_collected(app: App) -> None:
    refs: list[Any] = []
    for _ in range(3):
        player = players()
        app.add(player)
        app.prepare()
        app.store(Team).create(Team(name="a", owner="ann"))
        app.store(player).create(player(id="1", team_name="a"))
        app.store(player).count(player.team.owner == "ann")
        assert app.store(Team).delete("a")
        app.remove(player)
        refs += [ref(player), ref(meta_of(player))]
        del player
    gc.collect()
    assert [one for one in refs if one() is not None] == []


def test_replaced_items_are_garbage_collected() -> None:
    app = App("league", items=[compile_schema(meta_of(Team).schema), Log], url="sqlite://")
    refs = []
    for _ in range(3):
        app.store("team").create({"name": "a", "owner": "ann"})
        app.store("team").delete("a")
        refs += [ref(app.metas["team"]), ref(app.metas["team"].item)]
        app.replace(compile_schema(meta_of(Team).schema))
    gc.collect()
    assert [one for one in refs if one() is not None] == []


def test_an_added_item_changes_only_its_own_group_of_a_thousand_items() -> None:
    schema = meta_of(Log).schema
    from msgspec.structs import replace

    app = App("big", items=[replace(schema, name=f"log_{number}") for number in range(1000)], url="memory://")
    before = app.catalogue
    app.add(Log)
    now = app.catalogue
    assert [name for name, one in now.stores.items() if before.stores.get(name) is not one] == ["log"]
    assert [name for name, one in now.metas.items() if before.metas.get(name) is not one] == ["log"]
    app.remove(Log)
    assert dict(app.catalogue.stores) == dict(before.stores)


def test_readers_see_one_revision_or_the_other_while_others_change_it(app: App) -> None:
    wrong: list[BaseException] = []
    player = players()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                catalogue = app.catalogue
                assert catalogue.metas.keys() == catalogue.stores.keys() == catalogue.groups.keys()
                app.store(Team).read("a")
            except BaseException as error:
                wrong.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for one in readers:
        one.start()
    for _ in range(30):
        app.add(player)
        app.remove(player)
    done.set()
    for one in readers:
        one.join()
    assert wrong == []


def test_has_many_of_an_item_is_bound_to_the_replaced_one() -> None:
    @stored(key="id")
    class Shelf:
        id: Attr[str]
        books: HasMany[Book] = link()  # type: ignore[name-defined]  # noqa: F821

    def book(**further: Any) -> type[Any]:
        body = {"__annotations__": {"id": Attr[str], "shelf_id": Attr[str], **further}, "__module__": __name__}
        return stored(key="id")(type("Book", (), body))

    first = book()
    app = App("library", items=[Shelf, first], url="memory://")
    shelf = app.store(Shelf)
    second = book(title=Attr[str | None])
    app.replace(second)
    assert app.store(Shelf) is not shelf
    assert app.metas["shelf"].links["books"].ends.target is meta_of(second)
    assert app.metas["shelf"].item is Shelf
