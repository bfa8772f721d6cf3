"""Another key of an item while foreign keys lead to it by the former one, on every engine: refused with the number of items that refer to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, BelongsTo, HasMany, SchemaMismatch, link, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration, refused_changes
from persisty.deploy.revision_files import revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import upgrade

from .conftest import Place, Tables

REFERRED = "Stored foreign keys have values of the former key"


@stored(name="team")
class Team:
    id: Attr[str]
    name: Attr[str]


@stored(name="member")
class Member:
    id: Attr[str]
    team_id: Attr[str | None] = Attr(default=None)
    team: BelongsTo[Team] = link(on_delete="block")


@stored(name="player")
class Player:
    id: Attr[str]
    club: Attr[str]


def another_table(place: Place) -> str | None:
    """Return the table that an item needs for another key: another one on DynamoDB."""
    return "team_2" if isinstance(place, Tables) else None


def another_key(place: Place) -> Any:
    """Return the team with another key."""

    @stored(name="team", key="name", table=another_table(place))
    class Named:
        id: Attr[str]
        name: Attr[str]

    return Named


def filled(place: Place, *teams: str | None) -> App:
    app = place.app(Team, Member, idempotency=None)
    app.prepare()
    app.store(Team).create({"id": "t", "name": "Tigers"})
    for number, team in enumerate(teams):
        app.store(Member).create({"id": f"m{number}", "team_id": team})
    return app


def found(app: App) -> list[str | None]:
    """Return what a migration refuses. A diff refuses the same."""
    with pytest.raises(SchemaMismatch) as caught:
        Migration(app).plan()
    refused = {change.path: why for one in evolutions_of(app) for change, why in refused_changes(app, one).items()}
    assert [*refused] == [one.path for one in caught.value.faults] == ["/team"]
    assert REFERRED in refused["/team"]
    assert REFERRED in caught.value.faults[0].message
    assert str(caught.value.faults[0].found) in refused["/team"]
    return [one.found for one in caught.value.faults]


def test_another_key_is_refused_while_foreign_keys_lead_to_the_item(database: Place) -> None:
    filled(database, "t", None, "t")
    team = another_key(database)
    app = database.app(team, Member, idempotency=None)
    assert found(app) == ["/member/team_id of 2 items"]
    with pytest.raises(SchemaMismatch) as stopped:
        app.prepare()
    assert [one.found for one in stopped.value.faults if REFERRED in one.message] == ["/member/team_id of 2 items"]
    app = database.app(Team, Member, idempotency=None)
    assert app.store(Member).count(Member.team.name == "Tigers", allow_scan=True) == 2


def test_another_key_is_made_if_no_item_refers_to_it(database: Place) -> None:
    filled(database, None)
    team = another_key(database)
    app = database.app(team, Member, idempotency=None)
    Migration(app, ["switch:team"] if isinstance(database, Tables) else []).apply()
    assert app.store(team).read("Tigers") is not None


def test_the_key_and_the_foreign_key_change_together(database: Place) -> None:
    """The route of the error: another foreign key is added and filled, then the key and the link change. On DynamoDB the switch comes later."""

    @stored(name="member")
    class Doubled:
        id: Attr[str]
        team_id: Attr[str | None] = Attr(default=None)
        team_name: Attr[str | None] = Attr(default=None)
        team: BelongsTo[Team] = link(on_delete="block")

    filled(database, "t")
    app = database.app(Team, Doubled, idempotency=None)
    Migration(app).apply()
    app.store(Doubled).update("m0", {"team_name": "Tigers"})
    team = another_key(database)

    @stored(name="member")
    class Moved:
        id: Attr[str]
        team_id: Attr[str | None] = Attr(default=None)
        team_name: Attr[str | None] = Attr(default=None)
        team: BelongsTo[Team] = link(by="team_name", on_delete="block")

    app = database.app(team, Moved, idempotency=None)
    Migration(app).apply()
    if isinstance(database, Tables):
        app = database.app(team, Moved, idempotency=None)
        Migration(app, ["switch:team"]).apply()
    assert app.store(Moved).count(Moved.team.name == "Tigers", allow_scan=True) == 1


def test_a_foreign_key_that_only_the_other_side_names_is_renamed_and_found(database: Place) -> None:
    @stored(name="team")
    class Club:
        id: Attr[str]
        name: Attr[str]
        players: HasMany[Player] = link(by="club")

    app = database.app(Club, Player, idempotency=None)
    app.prepare()
    app.store(Club).create({"id": "t", "name": "Tigers"})
    app.store(Player).create({"id": "p", "club": "t"})

    @stored(name="player")
    class Renamed:
        id: Attr[str]
        side: Attr[str] = Attr(former_names="club")

    @stored(name="team", key="name", table=another_table(database))
    class Named:
        id: Attr[str]
        name: Attr[str]
        players: HasMany[Player] = link(by="side")

    assert found(database.app(Named, Renamed, idempotency=None)) == ["/player/side of 1 item"]


def test_an_item_that_refers_to_its_own_kind_is_found(database: Place) -> None:
    @stored(name="team")
    class Part:
        id: Attr[str]
        name: Attr[str]
        parent_id: Attr[str | None] = Attr(default=None)
        parent: BelongsTo[Team] = link()

    app = database.app(Part, idempotency=None)
    app.prepare()
    app.store(Part).create({"id": "a", "name": "A"})
    app.store(Part).create({"id": "b", "name": "B", "parent_id": "a"})

    @stored(name="team", key="name", table=another_table(database))
    class Keyed:
        id: Attr[str]
        name: Attr[str]
        parent_id: Attr[str | None] = Attr(default=None)
        parent: BelongsTo[Team] = link()

    assert found(database.app(Keyed, idempotency=None)) == ["/team/parent_id of 1 item"]


def test_a_revision_file_is_refused_by_items_of_a_store_that_it_does_not_name(place: Place, tmp_path: Path) -> None:
    filled(place)
    team = another_key(place)
    assert write_revision(place.app(team, Member), "Another key", [], tmp_path) is not None
    place.app(Team, Member).store(Member).create({"id": "m", "team_id": "t"})
    [revision] = revisions_in(tmp_path)
    with pytest.raises(SchemaMismatch) as caught:
        upgrade(place.app(team, Member), revision, lambda step, items: None)
    assert [one.found for one in caught.value.faults] == ["/member/team_id of 1 item"]
    upgrade(place.app(team), revision, lambda step, items: None)  # the app no longer declares these items
    assert place.app(team).store(team).read("Tigers") is not None
