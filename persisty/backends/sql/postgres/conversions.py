"""Conversions of columns on PostgreSQL: the expression that makes the new value, and the condition of values that have no exact counterpart.

They allow the same conversions as `persisty.model.value_conversions`. A cast alone would round `1.6` to 2, read `now` as a time, and take a time without an
offset for one of the session's time zone.

Conditions are nested in `CASE`, because PostgreSQL may evaluate the sides of `OR` in any order, and a cast of other texts fails.
"""

from __future__ import annotations

from ....model.value_conversions import TEXT

_RANGE = "NOT BETWEEN -9223372036854775808 AND 9223372036854775807"
_DIGITS = "length(trim(BOTH '0' FROM translate(abs({n})::text, '.', ''))) > 38"
_INEXACT_FLOAT = "{c}::float8::text::numeric <> {n}"
_MONTHS = "(substr({c}, 1, 7) || '-01')::date + interval '1 month'"
_NO_DAY = f"substr({{c}}, 9, 2)::int > extract(day FROM {_MONTHS} - interval '1 day')"
_NO_YEAR = (
    "{c}::timestamptz NOT BETWEEN '0001-01-01 00:00:00Z'::timestamptz AND '9999-12-31 23:59:59.999999Z'::timestamptz"
)
_NO_INTEGER = (
    "CASE WHEN octet_length({c}) < 19 AND {c} ~ '^[1-9][0-9]*$' THEN false "
    f"WHEN {{c}} ~ '^({TEXT['integer']})$' THEN {{c}}::numeric {_RANGE} ELSE true END"
)
"""The first case decides nearly every value, in a quarter of the time of a number of any length."""


def _no(form: str, *failing: str) -> str:
    """Return the condition of texts that do not have a form, or else fulfil one of the conditions. The number of a text is `{n}`."""
    cases = "".join(f"WHEN {one} THEN true " for one in (f"{{c}} !~ '^({TEXT[form]})$'", *failing))
    return f"CASE {cases}ELSE false END".replace("{n}", "{c}::numeric")


def _magnitude(above: str) -> str:
    return f"{{n}} <> 0 AND (abs({{n}}) {above} OR abs({{n}}) < 1e-130)"


CONVERSIONS: dict[tuple[str, str], tuple[str, str | None]] = {
    ("string", "integer"): ("{c}::bigint", _NO_INTEGER),
    ("string", "float"): ("{c}::float8 + 0", _no("float", _magnitude("> 1e125"), _INEXACT_FLOAT)),  # -0 becomes 0
    ("string", "decimal"): ("{c}::numeric", _no("decimal", _magnitude(">= 1e126"), _DIGITS)),
    ("string", "boolean"): ("lower({c})::boolean", _no("boolean")),
    ("string", "datetime"): ("{c}::timestamptz", _no("datetime", "{c} LIKE '0000%'", _NO_DAY, _NO_YEAR)),
    ("string", "date"): ("{c}::date", _no("date", "{c} LIKE '0000%'", _NO_DAY)),
    ("string", "uuid"): ("{c}::uuid", _no("uuid")),
    ("integer", "string"): ("{c}::text", None),
    ("integer", "float"): ("{c}::float8", "{c}::float8::text::numeric <> {c}"),
    ("integer", "decimal"): ("{c}::numeric", None),
    ("integer", "boolean"): ("{c} = 1", "{c} NOT IN (0, 1)"),
    ("float", "string"): ("trim_scale({c}::text::numeric)::text", None),
    ("float", "integer"): (
        "{c}::bigint",
        "{c} <> trunc({c}) OR {c} < -9223372036854775808 OR {c} >= 9223372036854775808",
    ),
    ("float", "decimal"): ("{c}::text::numeric", None),
    ("decimal", "string"): ("trim_scale({c})::text", None),
    ("decimal", "integer"): ("{c}::bigint", f"{{c}} <> trunc({{c}}) OR {{c}} {_RANGE}"),
    ("decimal", "float"): ("{c}::float8", "{c}::float8::text::numeric <> {c}"),
    ("boolean", "string"): ("{c}::text", None),
    ("boolean", "integer"): ("{c}::integer::bigint", None),
    ("datetime", "string"): ("""to_char({c} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""", None),
    ("datetime", "date"): ("({c} AT TIME ZONE 'UTC')::date", "({c} AT TIME ZONE 'UTC')::time <> '00:00'"),
    ("date", "string"): ("to_char({c}, 'YYYY-MM-DD')", None),
    ("date", "datetime"): ("{c}::timestamp AT TIME ZONE 'UTC'", None),
    ("uuid", "string"): ("{c}::text", None),
}
"""(stored form, declared form) → (converted value, condition of values without an exact counterpart), with the column as `{c}`."""


def converting(before: str, after: str, column: str) -> tuple[str, str | None]:
    """Return the row of `CONVERSIONS` for a column. Types without a conversion convert only null."""
    expression, failing = CONVERSIONS.get((before, after), ("NULL", None))
    return expression.replace("{c}", column), None if failing is None else failing.replace("{c}", column)
