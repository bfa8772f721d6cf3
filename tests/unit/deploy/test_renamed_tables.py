"""A renamed item with indexes: PostgreSQL renames the indexes with the table, SQLite builds them again and says so."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import Attr, Conflict, Index, Unique, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration
from persisty.deploy.safe_start import follow_safe_changes

from .conftest import Place


@stored(name="car", indexes=[Index("maker"), Unique("plate"), Index("weight")])
class Car:
    id: str
    plate: str
    maker: str
    weight: int = 1


@stored(name="vehicle", former_names="car", indexes=[Index("maker"), Unique("plate"), Index("mass")])
class Vehicle:
    id: str
    plate: str
    maker: str
    mass: int = Attr(default=1, former_names="weight")


@stored(name="vehicle", former_names="car", indexes=[Index("maker"), Unique("plate"), Index("weight")])
class Same:
    id: str
    plate: str
    maker: str
    weight: int = 1


@stored(name="bike")
class Bike:
    id: str


@stored(name="cycle", former_names="bike")
class Cycle:
    id: str


ROWS = [{"id": f"{n}", "plate": f"p{n}", "maker": "ab"[n % 2], "weight": n} for n in range(6)]


def effect(place: Place, item: type[Any]) -> tuple[str, str]:
    [[change, *_]] = [one.changes for one in evolutions_of(place.app(item))]
    return change.effect.value, change.message


def test_a_rename_that_builds_indexes_again_is_slow(place: Place) -> None:
    place.filled(Car, *ROWS)
    is_sqlite = "sqlite" in place.url
    rebuilt = "slow", "car is now vehicle: its indexes are built again"
    assert effect(place, Same) == (rebuilt if is_sqlite else ("safe", "car is now vehicle"))


def test_a_rename_without_indexes_is_safe(place: Place) -> None:
    place.filled(Bike, {"id": "1"})
    assert effect(place, Cycle) == ("safe", "bike is now cycle")


@pytest.mark.parametrize("item", [Same, Vehicle])
def test_indexes_are_renamed_with_their_table_and_stay_unique(place: Place, item: Any) -> None:
    place.filled(Car, *ROWS)
    statements = [text for one in Migration(place.app(item)).plan() for step in one.steps for text in step.statements]
    if "sqlite" not in place.url:
        renamed = [text for text in statements if text.startswith("ALTER INDEX")]
        assert sorted(text.rpartition('RENAME TO "')[2] for text in renamed) == sorted(
            [f'vehicle-{name}"' for name in ("by-maker", "unique-plate", *(["by-weight"] if item is Same else []))]
        )
        assert sum("CREATE INDEX" in text for text in statements) == (0 if item is Same else 1)
        assert not any("CREATE UNIQUE" in text for text in statements)
    app, _ = place.migrated(item)
    assert len(list(app.store(item).search_all(item.maker == "a"))) == 3
    with pytest.raises(Conflict):
        app.store(item).create({"id": "x", "plate": "p1", "maker": "a"})
    left = [change.kind for one in evolutions_of(place.app(item)) for change in one.changes]
    # PostgreSQL keeps the column of the former name for older code, until its removal is allowed
    assert left == (["attribute_removed"] if item is Vehicle and "sqlite" not in place.url else [])


def test_a_start_on_a_local_file_still_follows_the_rename(place: Place) -> None:
    place.filled(Car, *ROWS)
    made = follow_safe_changes(place.app(Same))
    assert [one.kind for one in made] == (["item_renamed"] if "sqlite" in place.url else [])
