"""Hostile values: numbers, text and JSON that break readers, as JSON text. All come from one seeded source of randomness."""

from __future__ import annotations

import json
from random import Random

NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400", "1e-400", "9" * 400, "9" * 5000, "0." + "3" * 3000, "1E-20000", "1E+20000",
    "-0", "0", "1", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "2147483648", "1.5", "00", "0x10", "1_000", "--1", "1e", ".5",
)  # fmt: skip
TEXTS = (
    "", " ", "\u0000", "a\u0000b", "\u0130", "\u212a", "\ufeff", "\u202e", "\U0001f600" * 100, "'", '"', "\\", "' OR 1=1 --", "; DROP TABLE product;",
    "%", "_", "%%%", "*", "../../etc/passwd", "..%2f..%2f", "\r\nSet-Cookie: a=b", "<script>alert(1)</script>", "${7*7}", "{{7*7}}", "$where", "__proto__",
    "null", "true", "NaN", "sNaN", "-Infinity", "1E-20000", "1e400", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-02-30", "24:00",
    "2016-12-31T23:59:60Z", "2024-01-01T00:00:00", "10000-01-01", "D174C8D5-155B-5725-B741-FB94EBB81CDD", "not-a-uuid", "AAAA=", "====", "x" * 2049,
)  # fmt: skip
SURROGATES = ('"\\ud800"', '"\\udfff\\ud800"', '"a\\udc00"')
"""JSON text of lone surrogates, which Python's encoder cannot write as UTF-8."""


def nested(random: Random) -> str:
    depth = random.choice((5, 20, 33, 60, 70, 130, 330, 400, 900, 964, 990, 1_000, 5_000, 100_000))
    opening, closing = random.choice(
        (("[", "]"), ('{"a":', "}"), ('{"and":[', "]}"), ('{"not":', "}"), ('[{"a":', "}]"))
    )
    closed = closing * depth if random.random() < 0.9 else ""
    return f"{opening * depth}{'1' if opening[-1] == ':' else ''}{closed}"


def wide(random: Random) -> str:
    count = random.choice((50, 201, 1_001, 10_000))
    return random.choice((
        lambda: "[" + ",".join(["{}"] * count) + "]",
        lambda: "{" + ",".join(f'"m{i}":{i}' for i in range(count)) + "}",
        lambda: "[" + ",".join(["null"] * count) + "]",
        lambda: json.dumps("a " * count),
        lambda: json.dumps("\u00df" * count),
        lambda: '{"a":1' + ',"a":1' * count + "}",
    ))()  # fmt: skip


def value(random: Random) -> str:
    """JSON text of one value, mostly small."""
    kind = random.random()
    if kind < 0.3:
        return random.choice(NUMBERS)
    if kind < 0.62:
        return json.dumps(random.choice(TEXTS))
    if kind < 0.67:
        return random.choice(SURROGATES)
    if kind < 0.78:
        return nested(random)
    if kind < 0.84:
        return wide(random)
    if kind < 0.92:
        return random.choice(
            (
                "null",
                "true",
                "false",
                "{}",
                "[]",
                "[null]",
                '["small","large"]',
                '["a",1,null]',
                '{"":1}',
                '{"eq":1}',
                '{"add":1}',
                '{"append":[1]}',
            )
        )
    return json.dumps(
        random.choice(("p1", "s1", "c1", "small", "2024-01-01T00:00:00Z", "2024-01-01", "12.5", 12, 1.5, True))
    )


def text(random: Random) -> str:
    return random.choice(TEXTS)


def noise(random: Random, most: int = 200) -> bytes:
    return random.randbytes(random.randrange(1, most))


def mutated(random: Random, content: bytes) -> bytes:
    """The content with some bytes changed, cut or doubled."""
    if not content:
        return content
    at = random.randrange(len(content))
    return random.choice((
        content[:at], content[at:], content[:at] + noise(random, 8) + content[at:], content[:at] + content[at : at + 9] * 50 + content[at:],
        content[:at] + bytes([random.randrange(256)]) + content[at + 1 :],
    ))  # fmt: skip
