"""Attributes that are added, removed, renamed, or become optional or required: no item is lost, and every value reads correctly afterwards."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from persisty import App, Attr, Create, Index, SchemaMismatch, stored
from persisty.deploy.migration import Migration
from persisty.store.migration import Step

from .cars import ROWS, Car, Color, Renamed, faults, kinds
from .conftest import Place


def test_an_added_attribute_reads_with_its_default_and_is_filtered_by_it(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class More:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"
        rank: int = 3
        sold: bool = False
        weight: Decimal = Decimal("1.5")
        label: str | None = None
        tags: list[str] = Attr(factory=list)

    place.filled(Car, *ROWS)
    app, _ = place.migrated(More)
    store = app.store(More)
    assert [(one.rank, one.sold, one.weight, one.label, one.tags) for one in store.search_all()] == [
        (3, False, Decimal("1.5"), None, [])
    ] * 2
    assert store.count(More.rank == 3) == store.count(More.weight == Decimal("1.5")) == 2


@pytest.mark.parametrize("default", ["a\0b", "\0", "it's", "\x01", "%s {} :x", "\ufeff"])
def test_an_added_text_may_have_any_characters_in_its_default(place: Place, default: str) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class More:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"
        label: str = default

    place.filled(Car, *ROWS)
    app, _ = place.migrated(More)
    assert [one.label for one in app.store(More).search(More.label == default)] == [default] * 2


@stored(name="car")
class Owned:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str | None = None
    price: str = "1"
    owner: str


def test_an_added_attribute_without_a_value_is_refused_while_there_are_items(place: Place) -> None:
    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match="declare a default") as caught:
        place.migrated(Owned)
    assert faults(caught) == {"/car/owner": "a, b"}
    assert place.app(Car).store(Car).count() == 2
    assert place.opened is not None
    place.opened.store(Car).delete_all()
    app, _ = place.migrated(Owned)
    app.store(Owned).create({"id": "a", "odometer": 1, "owner": "o"})


@stored(name="car")
class Priced:
    id: str
    odometer: int
    color: Color = Color.RED
    price: str = "1"


def test_a_removed_attribute_stays_until_its_drop_is_allowed_and_blocks_no_writes(place: Place) -> None:
    @stored(name="car")
    class Less:
        id: str
        color: Color = Color.RED

    place.filled(Car, *ROWS)
    app, planned = place.migrated(Less)
    assert {change.allow for one in planned for change in one.left} == {
        "drop:car.odometer", "drop:car.note", "drop:car.price",
    }  # fmt: skip
    app.store(Less).create({"id": "c"})  # although odometer was required
    assert min(place.sql(f"SELECT id, odometer FROM {place.table('car')}")) == ("a", 7)
    app, planned = place.migrated(Less, allow=("drop:car.odometer", "drop:car.price", "drop:car.note"))
    assert [one.left for one in planned] == [()]
    assert kinds(app) == set()
    assert [one.id for one in app.store(Less).search_all()] == ["a", "b", "c"]
    stored_table = app.engine.table("car")
    assert stored_table is not None
    assert stored_table.columns == {"id", "color"}


def test_an_allowed_drop_of_an_unknown_name_is_an_error(place: Place) -> None:
    place.filled(Car, *ROWS)
    with pytest.raises(Exception, match=r"one of drop:car\.note"):
        Migration(place.app(Priced), ["drop:car.nose"]).apply()
    assert place.opened is not None
    assert place.opened.store(Priced).count() == 2


def test_an_attribute_becomes_optional_and_required_again(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Loose:
        id: str
        odometer: int | None
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    app, _ = place.migrated(Loose)
    app.store(Loose).create({"id": "c", "odometer": None})
    with pytest.raises(SchemaMismatch, match="Give them one first") as caught:
        place.migrated(Car)
    assert faults(caught) == {"/car/odometer": "c"}
    place.app(Loose).store(Loose).update("c", {"odometer": 9})
    app, _ = place.migrated(Car)
    assert [one.odometer for one in app.store(Car).search_all()] == [7, 8, 9]


def test_a_required_attribute_with_a_default_fills_items_without_a_value(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Noted:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str = "none"
        price: str = "1"

    place.filled(Car, *ROWS)
    app, _ = place.migrated(Noted)
    assert [one.note for one in app.store(Noted).search_all()] == ["n", "none"]
    assert app.store(Noted).count(Noted.note == "none") == 1


def test_a_renamed_attribute_keeps_its_values(place: Place) -> None:
    place.filled(Car, *ROWS)
    app, _ = place.migrated(Renamed)
    assert [one.mileage for one in app.store(Renamed).search_all()] == [7, 8]
    app.store(Renamed).create({"id": "c", "mileage": 9})
    assert app.store(Renamed).count(Renamed.mileage > 7) == 2


def test_a_renamed_attribute_of_an_empty_table_leaves_no_column_and_no_index(place: Place) -> None:
    place.filled(Car)
    app, _ = place.migrated(Renamed)
    table = app.engine.table("car")
    assert table is not None
    assert "odometer" not in table.columns
    assert [one.name for one in app.engine.migrator().indexes("car")] == ["car-by-mileage"]  # type: ignore[attr-defined]


def test_an_attribute_that_may_be_renamed_is_refused_until_it_is_declared_or_dropped(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Guess:
        id: str
        odometer: int
        color: Color = Color.RED
        remark: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    with pytest.raises(SchemaMismatch, match='declare former_names="note"'):
        place.migrated(Guess)
    app, _ = place.migrated(Guess, allow=("drop:car.note",))
    assert [one.remark for one in app.store(Guess).search_all()] == [None, None]


def test_a_former_attribute_stored_together_with_the_new_one_is_dropped_only_by_name(
    place: Place,
) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Both:
        id: str
        odometer: int
        mileage: int = 0
        color: Color = Color.RED
        note: str | None = None
        price: str = "1"

    place.filled(Car, *ROWS)
    place.migrated(Both)
    _, planned = place.migrated(Renamed)
    assert [change.allow for one in planned for change in one.left] == ["drop:car.odometer"]


def test_a_column_of_the_new_name_without_copied_values_is_refused(place: Place) -> None:
    place.filled(Car, *ROWS)
    place.sql(f"ALTER TABLE {place.table('car')} ADD COLUMN mileage BIGINT NOT NULL DEFAULT 0")
    with pytest.raises(SchemaMismatch, match="nothing has copied odometer to mileage"):
        place.migrated(Renamed)
    assert place.app(Car).store(Car).read("a").odometer == 7


def test_values_left_by_a_removed_attribute_are_not_read_as_a_new_attribute(place: Place) -> None:
    @stored(name="car", indexes=[Index("odometer")])
    class Numbered:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None
        price: int = 3

    @stored(name="car", indexes=[Index("odometer")])
    class Unpriced:
        id: str
        odometer: int
        color: Color = Color.RED
        note: str | None = None

    place.filled(Car, *ROWS)
    place.migrated(Unpriced)
    with pytest.raises(SchemaMismatch, match="has left values of string under the name price"):
        place.migrated(Numbered)
    app, _ = place.migrated(Numbered, allow=("drop:car.price",))
    assert [one.price for one in app.store(Numbered).search_all()] == [3, 3]


@stored(name="car", indexes=[Index("odometer")])
class Noted:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str = "none"
    price: str = "1"


@stored(name="car", indexes=[Index("odometer")])
class Undefaulted:
    id: str
    odometer: int
    color: Color = Color.RED
    note: str
    price: str = "1"


def written_before(place: Place, title: str) -> Callable[[Step, int], None]:
    """Return a callback that writes an item without a note, as older code does, when a step begins."""

    left = [title]

    def write(step: Step, items: int) -> None:
        if step.title in left:
            left.clear()
            place.sql(f"INSERT INTO {place.table('car')} (id, odometer, color, price) VALUES ('late', 1, 'red', '1')")
            place.sql(f"UPDATE {place.table('car')} SET note = NULL WHERE id = 'late'")

    return write


def test_an_item_written_between_the_backfill_and_the_check_is_filled(on_postgresql: Place) -> None:
    place = on_postgresql
    place.filled(Car, *ROWS)
    app = place.app(Noted)
    Migration(app).apply(written_before(place, "New items need note"))
    app.prepare()
    assert {one.id: one.note for one in app.store(Noted).search_all()} == {"a": "n", "b": "none", "late": "none"}


def test_without_a_default_the_error_names_items_written_meanwhile(on_postgresql: Place) -> None:
    place = on_postgresql
    place.filled(Car, ROWS[0])
    with pytest.raises(SchemaMismatch, match="then run the command again") as caught:
        Migration(place.app(Undefaulted)).apply(written_before(place, "New items need note"))
    assert faults(caught) == {"/car/note": "late"}
    place.sql(f"UPDATE {place.table('car')} SET note = 'now' WHERE id = 'late'")
    app, _ = place.migrated(Undefaulted)
    assert [one.note for one in app.store(Undefaulted).search_all()] == ["n", "now"]


def test_a_write_of_older_code_to_a_table_that_requires_more_is_a_permanent_error(place: Place) -> None:
    older = App("shop", items=[Car], url=place.url)
    older.prepare()
    store = older.store(Car)
    for row in ROWS:
        store.create(row)
    place.migrated(Noted)
    one = {"id": "c", "odometer": 1, "note": None}
    writes: list[Callable[[], Any]] = [
        lambda: store.create(one),
        lambda: store.update("a", {"note": None}),
        lambda: store.edit_batch([Create(one), Create({**one, "id": "d"})]),
        lambda: store.update_all({"note": None}),
    ]
    for write in writes:
        with pytest.raises(SchemaMismatch, match="The table has changed"):
            write()
    assert store.count() == 2
    older.close()
