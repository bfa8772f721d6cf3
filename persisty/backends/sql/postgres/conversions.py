"""Conversions of columns on PostgreSQL: the expression that makes the new value, and the condition of values that have no exact counterpart.

They allow the same conversions as `persisty.model.value_conversions`. A cast alone would round `1.6` to 2, read `now` as a time, and take a time without an
offset for one of the session's time zone.
"""

from __future__ import annotations

_RANGE = "NOT BETWEEN -9223372036854775808 AND 9223372036854775807"
_MAGNITUDE = "{n} <> 0 AND (abs({n}) > 9.9e125 OR abs({n}) < 1e-130"
_DIGITS = "length(trim(BOTH '0' FROM translate(abs({n})::text, '.', ''))) > 38"
_NUMBER = r"'^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{{1,3}})?$'"
_DAY = r"\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{{1,6}})?)?(Z|[-+]([01]\d|2[0-3])(:?[0-5]\d)?)"
_MONTHS = "(substr({c}, 1, 7) || '-01')::date + interval '1 month'"
_NO_DAY = f"{{c}} LIKE '0000%' OR substr({{c}}, 9, 2)::int > extract(day FROM {_MONTHS} - interval '1 day')"

_NO_INTEGER = (
    "CASE WHEN octet_length({c}) < 19 AND {c} ~ '^[1-9][0-9]*$' THEN false WHEN {c} = '0' THEN false "
    f"WHEN {{c}} ~ '^-?[1-9][0-9]{{{{0,18}}}}$' THEN {{c}}::numeric {_RANGE} ELSE true END"
)
"""The first case decides nearly every value, in a quarter of the time of a number of any length."""


def _if(pattern: str, condition: str) -> str:
    """Return the condition of texts that do not match a pattern, or else fulfil a condition on their number `{n}`."""
    return f"CASE WHEN {{c}} ~ {pattern} THEN {condition.replace('{n}', '{c}::numeric')} ELSE true END"


CONVERSIONS: dict[tuple[str, str], tuple[str, str | None]] = {
    ("string", "integer"): ("{c}::bigint", _NO_INTEGER),
    ("string", "float"): ("{c}::float8", _if(_NUMBER, f"{_MAGNITUDE})")),
    ("string", "decimal"): ("{c}::numeric", _if(_NUMBER, f"{_MAGNITUDE} OR {_DIGITS})")),
    ("string", "boolean"): ("lower({c})::boolean", "lower({c}) NOT IN ('true', 'false', '1', '0')"),
    ("string", "datetime"): ("{c}::timestamptz", _if(f"'^{_DAY}{_TIME}$'", _NO_DAY)),
    ("string", "date"): ("{c}::date", _if(f"'^{_DAY}$'", _NO_DAY)),
    ("string", "uuid"): ("{c}::uuid", "{c} !~* '^[0-9a-f]{{8}}-?([0-9a-f]{{4}}-?){{3}}[0-9a-f]{{12}}$'"),
    ("integer", "string"): ("{c}::text", None),
    ("integer", "float"): ("{c}::float8", "{c}::float8::text::numeric <> {c}"),
    ("integer", "decimal"): ("{c}::numeric", None),
    ("integer", "boolean"): ("{c} = 1", "{c} NOT IN (0, 1)"),
    ("float", "string"): ("trim_scale({c}::text::numeric)::text", None),
    ("float", "integer"): ("{c}::bigint", "{c} <> trunc({c}) OR abs({c}) >= 9223372036854775807"),
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
    return expression.format(c=column), None if failing is None else failing.format(c=column)
