"""Ten queries about airports, for a store and for plain Python.

Those with an operator that DynamoDB lacks also have one that it knows: moto takes a millisecond for each row it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.flights.app import Airport, DaylightSaving
from persisty import Filter

from .plain import PlainRow


class Question(NamedTuple):
    """`where` and `order` for a store; `matches` is the same filter for a plain row. `empty`: no row matches."""

    where: Filter
    matches: Callable[[PlainRow], bool]
    order: tuple[str, ...] = ("id",)
    top: int | None = None
    empty: bool = False


def _negative_or_none(value: float | None) -> bool:
    return value is None or value < 0


QUESTIONS: dict[str, Question] = {
    "the ten highest": Question(
        Airport.altitude > 5_000,
        lambda row: row["altitude"] > 5_000,
        ("-altitude", "id"),
        top=10,
    ),
    "a country by its cities, through the index": Question(
        (Airport.country == "United States") & Airport.city.startswith("S"),
        lambda row: row["country"] == "United States" and (row["city"] or "").startswith("S"),
        ("city", "id"),
    ),
    "a code, through the index": Question(Airport.iata == "JFK", lambda row: row["iata"] == "JFK"),
    "without a code, in a known zone": Question(
        Airport.iata.is_null() & Airport.time_zone.is_null(False) & (Airport.daylight_saving == DaylightSaving.AMERICA),
        lambda row: row["iata"] is None and row["time_zone"] is not None and row["daylight_saving"] == "A",
        ("country", "-altitude", "id"),
    ),
    "not without a city or at the poles": Question(
        ~(Airport.city.is_null() | Airport.country.oneof(["Antarctica", "Greenland"]))
        & ((Airport.latitude < -50.0) | (Airport.latitude > 66.5)),
        lambda row: (
            not (row["city"] is None or row["country"] in ("Antarctica", "Greenland"))
            and (row["latitude"] < -50 or row["latitude"] > 66.5)
        ),
        ("-latitude", "id"),
    ),
    "names of a country by what is in them, in any case": Question(
        (Airport.name.icontains("INTL") | Airport.name.icontains("SÃO") | Airport.name.contains('"'))
        & (Airport.country == "Brazil"),
        lambda row: any(text in row["name"].casefold() for text in ("intl", "são", '"')) and row["country"] == "Brazil",
        ("name", "id"),
    ),
    "names by how they end, and not by how they begin": Question(
        Airport.name.endswith("Heliport") & ~Airport.name.startswith("C") & (Airport.altitude < 30),
        lambda row: row["name"].endswith("Heliport") and not row["name"].startswith("C") and row["altitude"] < 30,
        ("-name", "id"),
    ),
    "another summer time or none known, west of Greenwich": Question(
        (Airport.daylight_saving != DaylightSaving.UNKNOWN)
        & ~(Airport.utc_offset >= 0.0)
        & (Airport.longitude > -30.0),
        lambda row: row["daylight_saving"] != "U" and _negative_or_none(row["utc_offset"]) and row["longitude"] > -30,
        ("-utc_offset", "id"),
    ),
    "between two latitudes, by zone with the unknown last": Question(
        (Airport.latitude >= 46.0) & (Airport.latitude <= 48.5) & (Airport.country != "United States"),
        lambda row: 46 <= row["latitude"] <= 48.5 and row["country"] != "United States",
        ("time_zone", "-iata", "id"),
    ),
    "nothing": Question(Airport.id.oneof([]), lambda row: False, empty=True),
}
