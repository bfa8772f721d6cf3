"""Dirty data for filters and orders, as plain dicts: nulls, empty and hostile text, extremes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from .items import Color, Level, Place

TEXTS = (
    None, "", " ", "a", "A", "aa", "ab", "b", "z", "Z", "ä", "Ä", "a\u0308", "ß", "SS", "straße", "STRASSE", "İstanbul", "istanbul",
    "0", "10", "9", "-1", "true", "null", "None", "%", "_", "100%", "1000", "a_b", "axb", "a%b", "\\", "a\\b", "a\\%b", "*", "?", "[a]",
    "'", '"', "'; DROP TABLE specimen; --", ":p0", "?1", "{}", "\0", "\0a", "a\0b", "a\0", "\n", "\t", "日本", "日本語", "😀",
    "😀a", "\uffff", "\U0010ffff", "\ue000", "~", "\x7f", "x" * 300,
)  # fmt: skip
COUNTS = (None, 0, 1, -1, 2, 9, 10, 100, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
RATIOS = (
    None,
    0.0,
    0.1,
    0.1 + 0.2,
    0.3,
    -0.1,
    1.0,
    1.5,
    -1.5,
    1 / 3,
    1e-130,
    -1e-130,
    1e125,
    -1e125,
    123456789.123456789,
)
TOKYO, NEW_YORK = timezone(timedelta(hours=9)), timezone(timedelta(hours=-5))
MOMENTS = (
    None,
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 1, 1, 9, 0, 0, 2, tzinfo=TOKYO),
    datetime(2025, 12, 31, 19, tzinfo=NEW_YORK),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)
DAYS = (None, date(2026, 1, 1), date(2025, 12, 31), date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29))
REFS = (None, UUID(int=0), UUID(int=1), UUID(int=2**128 - 1), UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
PRICES = (
    None, Decimal(0), Decimal("0.1"), Decimal("-0.1"), Decimal("0.10"), Decimal(9), Decimal(10), Decimal("1E+1"), Decimal("1E-20"),
    Decimal("12345678901.123456789"), Decimal("-1E+100"), Decimal("9.9E+125"), Decimal("1E-130"), Decimal(100), Decimal("99.99"),
)  # fmt: skip
COLORS = (None, *Color)
LEVELS = (None, *Level)
BLOBS = (None, b"\0", b"\0\0", b"\xff", b"\x7f\xff", b"a", b"ab", bytes(range(256)))
EXTRAS: tuple[Any, ...] = (
    None,
    {},
    {"a": None, "b": [1, 2.5, "x", True, None], "ü": {"deep": {"er": ["\0", "%", "😀"]}}, "": 0, "big": 2**62},
    {"list": [], "dict": {}, "nested": [[[]]]},
)
PLACES = (None, Place("Zürich", 408.5), Place("", None), Place("\0a\0", -1e100), Place("\\u0000 \"'", 1e-100))

DOMAINS: dict[str, tuple[Any, ...]] = {
    "text": TEXTS,
    "count": COUNTS,
    "ratio": RATIOS,
    "done": (None, True, False),
    "at": MOMENTS,
    "day": DAYS,
    "ref": REFS,
    "price": PRICES,
    "color": COLORS,
    "level": LEVELS,
    "blob": BLOBS,
    "extra": EXTRAS,
    "place": PLACES,
    "size": (None, "s", "m", "l"),
    "grade": (None, -1, 1, 2),
}
"""Attribute → its values. Each occurs in some row."""


def rows(count: int = 64) -> list[dict[str, Any]]:
    """Return rows that contain every value of every domain, always in the same order."""
    random = Random(2026)
    columns: dict[str, list[Any]] = {"id": [f"{number:03}" for number in range(count)]}
    for name, values in DOMAINS.items():
        columns[name] = [values[position % len(values)] for position in range(count)]
        random.shuffle(columns[name])
    random.shuffle(columns["id"])
    made = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for row in made:
        row["tags"] = [text for text in (row["text"], "tag") if text is not None]
    return [*made, {"id": "all nulls", "tags": []}]
