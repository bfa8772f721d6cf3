"""Eleven linked tables on every engine: loading, queries, pages, links, aggregates, bulk changes and deletes."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest

from persisty import COUNT, App, Conflict, Create, Update
from tests.conformance.engines import ENGINES

from .items import Artist, Artwork, Category, City, Country, Exhibition, Loan, Museum, Person, Review, museums
from .oracle import KEYS, World, key_of, ordered
from .questions import QUESTIONS
from .rows import Life, Row, waves

SEED = 7
ALIKE = ("dynamodb-moto", "dynamodb-boto3")
"""Slower ways to the tables of `dynamodb-local`, which the conformance suite tests."""
PAGE = 7
"""Items of a page: fewer than most results have."""


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("museums"))


@pytest.fixture(scope="module", params=[one for one in ENGINES if one not in ALIKE])
def url(request: pytest.FixtureRequest) -> str:
    server, template = ENGINES[request.param]
    return template.format(place=server and request.getfixturevalue(server), stage="museums", process="museums")


@pytest.fixture(scope="module")
def world() -> World:
    return World(Life(SEED).rows)


@pytest.fixture(scope="module")
def app(url: str, world: World) -> Iterator[App]:
    """The museums, loaded in batches of 100."""
    loaded = museums(url, stage="museums")
    loaded.prepare()
    load(loaded, world)
    yield loaded
    loaded.close()


def load(app: App, world: World) -> None:
    for name, meta in app.metas.items():
        store = app.store(meta.item)
        store.delete_all(allow_scan=True)
        for wave in waves(name, world.all(name)):
            for start in range(0, len(wave), 100):
                results = store.edit_batch([Create(dict(row)) for row in wave[start : start + 100]])
                assert [one.error for one in results if one.error is not None] == []


def plain(name: str, item: Any) -> Row:
    """Return an item as a row of the generator."""
    row: Row = {attribute: getattr(item, attribute) for attribute in item.__struct_fields__}
    if name == "artwork" and row["size"] is not None:
        row["size"] = msgspec.to_builtins(row["size"])
    return row


def by_key(name: str, rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: str(key_of(name, row)))


def test_every_row_is_read_as_it_was_written(app: App, world: World) -> None:
    for name, meta in app.metas.items():
        found = [plain(name, one) for one in app.store(meta.item).search_all(allow_scan=True)]
        assert by_key(name, found) == by_key(name, world.all(name))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_query_returns_the_rows_of_plain_python(app: App, world: World, name: str) -> None:
    asked = QUESTIONS[name]
    store = app.store(app.metas[asked.item].item)
    expected = [row for row in world.all(asked.item) if asked.matches(world, row)]
    assert store.count(asked.where, query=asked.query, allow_scan=True) == len(expected)
    order = [*asked.order, *KEYS[asked.item]] if asked.order else []
    found: list[Row] = []
    cursor = None
    for _ in range(1 + len(expected) // PAGE + 1):
        page = store.search(
            asked.where, query=asked.query, order=asked.order or None, limit=PAGE, cursor=cursor, allow_scan=True
        )
        assert len(page.items) == min(PAGE, len(expected) - len(found))
        found += [plain(asked.item, one) for one in page]
        cursor = page.cursor
        if cursor is None:
            break
    if order:
        assert found == ordered(expected, order)
    else:
        assert by_key(asked.item, found) == by_key(asked.item, expected)


def test_most_queries_have_matches_and_none_is_trivial(world: World) -> None:
    sizes = {
        name: (sum(bool(one.matches(world, row)) for row in world.all(one.item)), len(world.all(one.item)))
        for name, one in QUESTIONS.items()
    }
    assert [name for name, (found, _) in sizes.items() if found == 0] == []
    assert [name for name, (found, all_) in sizes.items() if found == all_] == ["everything, by a name that many share"]


def test_links_are_loaded_for_all_items_of_a_page(app: App, world: World) -> None:
    store = app.store(Museum)
    page = store.links(
        list(store.search_all(allow_scan=True)), "city", "parent", "branches", "artwork_count", "artworks.artist", limit=3,
    )  # fmt: skip
    for museum in page:
        row = world.items["museum"][museum.id]
        city = world.one("city", row["city_id"])
        assert (museum.city and museum.city.name) == (city and city["name"])
        assert (museum.parent and museum.parent.id) == row["parent_id"]
        assert len(museum.branches) == min(3, len(world.of("museum", "parent_id", museum.id)))
        artworks = world.of("artwork", "museum_id", museum.id)
        assert museum.artwork_count == len(artworks)
        assert len(museum.artworks) == min(3, len(artworks))
        for artwork in museum.artworks:
            assert (artwork.artist and artwork.artist.slug) == world.items["artwork"][artwork.id]["artist_slug"]


def test_a_link_through_a_join_item_is_read_in_pages(app: App, world: World) -> None:
    artworks = app.store(Artwork)
    counts = Counter(row["artwork_id"] for row in world.all("classification"))
    key, _ = counts.most_common(1)[0]
    item = artworks.read(key)
    assert item is not None
    found: list[str] = []
    cursor = None
    while True:
        [page] = artworks.related("categories", [item], order="path", limit=2, cursor=cursor)
        found += [one.path for one in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == sorted(row["category_path"] for row in world.of("classification", "artwork_id", key))


def test_the_largest_fee_of_each_state(app: App, world: World) -> None:
    groups = app.store(Loan).aggregate(COUNT, Loan.fee.max(), Loan.fee.sum(), by=["state"], allow_scan=True)
    fees: dict[str, list[Decimal]] = {}
    for row in world.all("loan"):
        fees.setdefault(row["state"], []).append(row["fee"])
    with localcontext(prec=100):
        expected = [((state,), (len(some), max(some), sum(some))) for state, some in sorted(fees.items())]
    assert [(one.by, one.values) for one in groups] == expected


def test_groups_of_stars_include_reviews_without_stars(app: App, world: World) -> None:
    found = app.store(Review).count_by(Review.stars, allow_scan=True)
    assert found == Counter(row["stars"] for row in world.all("review"))


def test_read_batch_has_the_items_in_the_positions_of_the_keys(app: App, world: World) -> None:
    keys = [(row["exhibition_id"], row["artwork_id"]) for row in world.all("loan")[:40]]
    found = app.store(Loan).read_batch([*keys, (99, "none"), keys[0]])
    assert [one and (one.exhibition_id, one.artwork_id) for one in found] == [*keys, None, keys[0]]


Change = Callable[[App, World], None]


def _close_the_old(app: App, world: World) -> None:
    changed = app.store(Exhibition).update_all({"title": "closed"}, Exhibition.closes.is_null(False), allow_scan=True)
    rows = [row for row in world.all("exhibition") if row["closes"] is not None]
    for row in rows:
        row["title"] = "closed"
    assert changed.changed == len(rows)


def _delete_bad_reviews(app: App, world: World) -> None:
    deleted = app.store(Review).delete_all(Review.stars == 0, allow_scan=True)
    rows = [row for row in world.all("review") if row["stars"] == 0]
    assert all(world.delete("review", row["id"]) for row in rows)
    assert deleted.changed == len(rows)


def _delete(item: type[Any], chosen: Callable[[World, Row], Any]) -> Change:
    def change(app: App, world: World) -> None:
        name = next(name for name, meta in app.metas.items() if meta.item is item)
        row = next(row for row in world.all(name) if chosen(world, row))
        key = key_of(name, row)
        if world.delete(name, key):
            assert app.store(item).delete(key)
        else:
            with pytest.raises(Conflict):
                app.store(item).delete(key)

    return change


def _retitle(app: App, world: World) -> None:
    rows = world.all("artwork")[:30]
    updates = [
        Update(row["id"], {"title": "seen", "price": row["price"]}, when=Artwork.lendable.oneof([True])) for row in rows
    ]
    results = app.store(Artwork).edit_batch(updates)
    assert [one.error is None for one in results] == [row["lendable"] for row in rows]
    for row in rows:
        if row["lendable"]:
            row["title"] = "seen"


CHANGES: dict[str, Change] = {
    "update_all over a filter": _close_the_old,
    "delete_all over a filter": _delete_bad_reviews,
    "a batch with conditions": _retitle,
    "a museum with artworks is blocked": _delete(Museum, lambda w, r: w.of("artwork", "museum_id", r["id"])),
    "a country with cities is blocked": _delete(Country, lambda w, r: w.of("city", "country_code", r["code"])),
    "a city leaves museums without one": _delete(City, lambda w, r: w.of("museum", "city_id", r["id"])),
    "a boss leaves reports without one": _delete(Person, lambda w, r: w.of("person", "boss_number", r["number"])),
    "an artist leaves artworks": _delete(Artist, lambda w, r: w.of("artwork", "artist_slug", r["slug"])),
    "a category takes those below, and their classifications": _delete(
        Category,
        lambda w, r: w.of("category", "parent_path", r["path"]) and w.of("classification", "category_path", r["path"]),
    ),
    "an exhibition takes loans and reviews": _delete(
        Exhibition, lambda w, r: w.of("loan", "exhibition_id", r["id"]) and w.of("review", "exhibition_id", r["id"])
    ),
    "an artwork takes loans and classifications": _delete(
        Artwork, lambda w, r: w.of("loan", "artwork_id", r["id"]) and w.of("classification", "artwork_id", r["id"])
    ),
}


def test_changes_and_deletes_have_the_results_of_plain_python(app: App, world: World) -> None:
    then = copy.deepcopy(world)
    try:
        for name, change in CHANGES.items():
            change(app, then)
            for item, meta in app.metas.items():
                found = [plain(item, one) for one in app.store(meta.item).search_all(allow_scan=True)]
                assert by_key(item, found) == by_key(item, then.all(item)), (name, item)
    finally:
        for meta in reversed(app.metas.values()):
            app.store(meta.item).delete_all(allow_scan=True)
        load(app, world)
