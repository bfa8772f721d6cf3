"""Queries for a store and for plain Python over the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from persisty import Filter

from .items import Artist, Artwork, Category, City, Country, Exhibition, Loan, Museum, Person, Review
from .oracle import World
from .rows import Row


class Question(NamedTuple):
    """`where`, `query` and `order` for a store; `matches` is the same filter for a row."""

    item: str
    where: Filter | None
    matches: Callable[[World, Row], Any]
    order: tuple[str, ...] = ()
    query: str | None = None


def _has(text: str | None, part: str) -> bool:
    return part.casefold() in (text or "").casefold()


NOON = datetime(2024, 11, 5, 12, 0, 0, 1, tzinfo=UTC)

QUESTIONS: dict[str, Question] = {
    "everything, by a name that many share": Question("person", None, lambda w, r: True, ("name", "-number")),
    "an empty name": Question("person", Person.name == "", lambda w, r: r["name"] == ""),
    "a name that looks like nothing": Question(
        "person", Person.name.oneof(["null", "None", "-"]), lambda w, r: r["name"] in {"null", "None", "-"}
    ),
    "a name in any case": Question("person", Person.name.icontains("ANN LEE"), lambda w, r: _has(r["name"], "ann lee")),
    "a letter with its mark apart": Question(
        "person", Person.name.contains("e\u0308"), lambda w, r: "e\u0308" in r["name"]
    ),
    "sharp s in any case": Question("person", Person.name.icontains("ssTein"), lambda w, r: _has(r["name"], "sstein")),
    "wildcards of other languages": Question(
        "person",
        Person.name.contains("%") | Person.name.contains("_"),
        lambda w, r: "%" in r["name"] or "_" in r["name"],
    ),
    "line breaks, tabs and backslashes": Question(
        "person",
        Person.name.contains("\n") | Person.name.contains("\t") | Person.name.contains("\\"),
        lambda w, r: any(one in r["name"] for one in "\n\t\\"),
    ),
    "not without an address": Question(
        "person", ~Person.email.is_null(), lambda w, r: r["email"] is not None, ("email",)
    ),
    "joined before a moment in another zone": Question(
        "person",
        Person.joined < NOON,
        lambda w, r: r["joined"] is not None and r["joined"] < NOON,
        ("-joined", "number"),
    ),
    "people by who joined last, those who never did at the end": Question(
        "person",
        Person.museum_id.is_null(False),
        lambda w, r: r["museum_id"] is not None,
        ("-joined", "number"),
    ),
    "those without a boss whose museum is in a city": Question(
        "person",
        Person.boss_number.is_null() & Person.museum.city_id.is_null(False),
        lambda w, r: r["boss_number"] is None and r["museum_id"] and w.one("museum", r["museum_id"])["city_id"],
    ),
    "not of a museum without a city, so also without a museum": Question(
        "person",
        ~Person.museum.city_id.is_null(),
        lambda w, r: not (r["museum_id"] and w.one("museum", r["museum_id"])["city_id"] is None),
    ),
    "people whose boss has a museum and another name": Question(
        "person",
        Person.boss.museum_id.is_null(False) & (Person.boss.name != "Ida"),
        lambda w, r: (boss := w.one("person", r["boss_number"])) and boss["museum_id"] and boss["name"] != "Ida",
    ),
    "a boss with a report of a common name": Question(
        "person",
        Person.reports.any(Person.name.oneof(["Ida", "", "?"])),
        lambda w, r: any(one["name"] in {"Ida", "", "?"} for one in w.of("person", "boss_number", r["number"])),
    ),
    "cities without a number of people, or with few": Question(
        "city",
        City.population.is_null() | (City.population < 1_000),
        lambda w, r: r["population"] is None or r["population"] < 1_000,
        ("population", "-name"),
    ),
    "cities in the south, by latitude": Question(
        "city", City.latitude < 0, lambda w, r: r["latitude"] is not None and r["latitude"] < 0, ("latitude",)
    ),
    "cities of a country with an apostrophe": Question(
        "city",
        City.country.name.contains("'"),
        lambda w, r: "'" in w.one("country", r["country_code"])["name"],
        ("name", "id"),
    ),
    "countries with a city that has an old museum": Question(
        "country",
        Country.cities.any(City.museums.any(Museum.founded < date(1800, 1, 1))),
        lambda w, r: any(
            museum["founded"] is not None and museum["founded"] < date(1800, 1, 1)
            for city in w.of("city", "country_code", r["code"])
            for museum in w.of("museum", "city_id", city["id"])
        ),
        ("name",),
    ),
    "museums of the first year": Question(
        "museum", Museum.founded <= date(1, 12, 31), lambda w, r: r["founded"] == date(1, 1, 1)
    ),
    "branches of branches": Question(
        "museum",
        Museum.parent.parent_id.is_null(False),
        lambda w, r: (parent := w.one("museum", r["parent_id"])) and parent["parent_id"],
    ),
    "museums without artworks": Question(
        "museum", ~Museum.artworks.any(), lambda w, r: not w.of("artwork", "museum_id", r["id"])
    ),
    "museums with an expensive artwork that may be lent": Question(
        "museum",
        Museum.artworks.any((Artwork.price > Decimal(1000)) & Artwork.lendable.oneof([True])),
        lambda w, r: any(
            one["lendable"] and one["price"] is not None and one["price"] > 1000
            for one in w.of("artwork", "museum_id", r["id"])
        ),
        ("-founded", "name"),
    ),
    "artists of a year, by name": Question(
        "artist", Artist.born == 1881, lambda w, r: r["born"] == 1881, ("name", "slug")
    ),
    "artists before the year zero": Question("artist", Artist.born < 0, lambda w, r: (r["born"] or 0) < 0),
    "biographies that mention a café in any spelling of case": Question(
        "artist", Artist.biography.icontains("CAFÉ"), lambda w, r: _has(r["biography"], "café")
    ),
    "words of a biography": Question(
        "artist",
        None,
        lambda w, r: all(any(_has(r[one], word) for one in ("slug", "name", "biography")) for word in ("très", "50%")),
        query="très 50%",
    ),
    "prices to the last digit": Question(
        "artwork",
        Artwork.price == Decimal("12345678901234567890.123456789"),
        lambda w, r: r["price"] == Decimal("12345678901234567890.123456789"),
    ),
    "prices from small to large": Question(
        "artwork", Artwork.price > 0, lambda w, r: r["price"] is not None and r["price"] > 0, ("price", "id")
    ),
    "priced, or made long ago, but not both": Question(
        "artwork",
        (Artwork.price.is_null(False) & ~(Artwork.made < date(1700, 1, 1)))
        | (Artwork.price.is_null() & (Artwork.made < date(1700, 1, 1))),
        lambda w, r: (r["price"] is not None) != (r["made"] is not None and r["made"] < date(1700, 1, 1)),
        ("-made", "title", "id"),
    ),
    "sizes in inches": Question(
        "artwork", Artwork.size.unit == "in", lambda w, r: r["size"] is not None and r["size"].get("unit", "cm") == "in"
    ),
    "heights, also those that are missing": Question(
        "artwork",
        ~(Artwork.size.height > 20.0),
        lambda w, r: not ((r["size"] or {}).get("height") or 0) > 20,
    ),
    "untitled in any case": Question(
        "artwork",
        Artwork.title.icontains("untitled"),
        lambda w, r: _has(r["title"], "untitled"),
        ("title", "-id"),
    ),
    "artworks of a category below another": Question(
        "artwork",
        Artwork.categories.any(Category.parent_path.is_null(False)),
        lambda w, r: any(
            w.one("category", one["category_path"])["parent_path"]
            for one in w.of("classification", "artwork_id", r["id"])
        ),
    ),
    "categories with an artwork of an artist without a birthday": Question(
        "category",
        Category.artworks.any(Artwork.artist.born.is_null() & Artwork.artist_slug.is_null(False)),
        lambda w, r: any(
            (artist := w.one("artist", w.one("artwork", one["artwork_id"])["artist_slug"])) and artist["born"] is None
            for one in w.of("classification", "category_path", r["path"])
        ),
        ("path",),
    ),
    "paths below a root": Question(
        "category", Category.path.contains(">"), lambda w, r: ">" in r["path"], ("-parent_path", "path")
    ),
    "exhibitions that are open on a day": Question(
        "exhibition",
        (Exhibition.opens <= date(2024, 6, 1))
        & (Exhibition.closes.is_null() | (Exhibition.closes >= date(2024, 6, 1))),
        lambda w, r: r["opens"] <= date(2024, 6, 1) and (r["closes"] is None or r["closes"] >= date(2024, 6, 1)),
        ("closes", "opens", "id"),
    ),
    "negative keys": Question("exhibition", Exhibition.id < 0, lambda w, r: r["id"] < 0, ("-id",)),
    "loans by their state and fee": Question(
        "loan", Loan.state == "there", lambda w, r: r["state"] == "there", ("fee", "artwork_id", "exhibition_id")
    ),
    "loans without an end of what may not be lent": Question(
        "loan",
        Loan.artwork.lendable.oneof([False]) & Loan.exhibition.closes.is_null(),
        lambda w, r: (
            not w.one("artwork", r["artwork_id"])["lendable"]
            and w.one("exhibition", r["exhibition_id"])["closes"] is None
        ),
    ),
    "reviews without stars or text": Question(
        "review", Review.stars.is_null() & ~(Review.text > ""), lambda w, r: r["stars"] is None and not r["text"]
    ),
    "bad reviews of people with a name that others have": Question(
        "review",
        (Review.stars <= 1) & (Review.person.name == "Ida"),
        lambda w, r: (
            r["stars"] is not None
            and r["stars"] <= 1
            and (person := w.one("person", r["person_number"]))
            and person["name"] == "Ida"
        ),
        ("-written_at",),
    ),
    "the latest reviews": Question(
        "review", Review.written_at >= NOON, lambda w, r: r["written_at"] >= NOON, ("-written_at", "id")
    ),
}
