"""Plain Python over the files, for comparison with imports and queries. It uses no code of persisty."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

PlainRow = dict[str, Any]

NULL = re.compile(r"(?:^|(?<=,))\\N(?=,|\r?$)")
"""A field that is `\\N` before anything is unescaped; the csv module would read it as the text `N`."""


def _int(text: str) -> int | None:
    return int(text) if text else None


def _float(text: str) -> float | None:
    return float(text) if text else None


def _text(text: str) -> str | None:
    return text or None


COLUMNS: dict[str, dict[str, Callable[[str], Any]]] = {
    "airline": {
        "id": _int,
        "name": _text,
        "alias": _text,
        "iata": _text,
        "icao": _text,
        "callsign": _text,
        "country": _text,
        "active": {"Y": True, "N": False}.get,
    },
    "airport": {
        "id": _int,
        "name": _text,
        "city": _text,
        "country": _text,
        "iata": _text,
        "icao": _text,
        "latitude": _float,
        "longitude": _float,
        "altitude": _int,
        "utc_offset": _float,
        "daylight_saving": _text,
        "time_zone": _text,
        "type": _text,
        "source": _text,
    },
    "route": {
        "airline": _text,
        "airline_id": _int,
        "source": _text,
        "source_id": _int,
        "destination": _text,
        "destination_id": _int,
        "codeshare": "Y".__eq__,
        "stops": _int,
        "equipment": _text,
    },
}
DROPPED = {"airport": ("type", "source")}


def _shifted(text: str | None) -> bool:
    return text is not None and (text[0].isspace() or any(ord(char) < 32 for char in text))


def _letters(text: str | None, length: int, digits: bool) -> bool:
    good = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ" + ("0123456789" if digits else ""))
    return text is None or (len(text) == length and set(text) <= good)


WRONG: dict[str, dict[str, Callable[[PlainRow], bool]]] = {
    "airline": {
        "/id": lambda row: row["id"] < 1,
        "/name": lambda row: _shifted(row["name"]),
        "/iata": lambda row: not _letters(row["iata"], 2, True),
        "/icao": lambda row: not _letters(row["icao"], 3, False),
        "/callsign": lambda row: _shifted(row["callsign"]),
        "/country": lambda row: _shifted(row["country"]),
        "/active": lambda row: row["active"] is None,
    },
    "airport": {
        "/iata": lambda row: not _letters(row["iata"], 3, False),
        "/icao": lambda row: not _letters(row["icao"], 4, True),
        "/utc_offset": lambda row: row["utc_offset"] is not None and row["utc_offset"] * 4 % 1 != 0,
    },
    "route": {},
}
"""Store → path of a fault → which rows have it. Each of these occurs in the files."""


def read(folder: Path, store: str) -> list[PlainRow]:
    """Return the rows of a store's file in order: line n is at n - 1."""
    columns = COLUMNS[store]
    with (folder / f"{store}s.dat").open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader((NULL.sub("", line) for line in file), escapechar="\\"))
    rows = [{name: convert(cell) for (name, convert), cell in zip(columns.items(), row, strict=True)} for row in cells]
    return [{name: value for name, value in row.items() if name not in DROPPED.get(store, ())} for row in rows]


def faults(store: str, row: PlainRow) -> set[str]:
    """Return the wrong columns of a row."""
    return {path for path, wrong in WRONG[store].items() if wrong(row)}


def ordered(rows: Iterable[PlainRow], *terms: str) -> list[PlainRow]:
    """Return the rows sorted by `name` or `-name`, the first term first, with nulls last in both directions."""
    result = list(rows)
    for term in reversed(terms):
        name = term.removeprefix("-")
        there = [row for row in result if row[name] is not None]
        there.sort(key=itemgetter(name), reverse=term.startswith("-"))
        result = there + [row for row in result if row[name] is None]
    return result
