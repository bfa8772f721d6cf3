"""Make the tables of the documentation from the tables of the code: `python -m tests.docs.tables` rewrites them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from persisty import App, meta_of, stored
from persisty.api.graphql.hosted.document_limits import Limits
from persisty.api.graphql.links import MOST_AT_ONCE, MOST_IN_ALL
from persisty.api.http.messages import MAX_BODY, MAX_PARAMETERS
from persisty.backends.dynamodb import expressions
from persisty.backends.sql import conditions
from persisty.errors import MAX_FAULTS, PersistyError, all_errors
from persisty.model.expressions import ALL, And, Compare, Filter, Or
from persisty.model.nesting import MAX_NESTING, MAX_TEXT_NESTING
from persisty.model.types import AGGREGATES, OPERATORS, Kind
from persisty.query.aggregate import MAX_GROUPS
from persisty.query.filter_parsing import MAX_DEPTH, MAX_FILTERS
from persisty.query.resolution import (
    MAX_COMPARISONS,
    MAX_LEVELS,
    MAX_LINKS,
    MAX_LINKS_NESTED,
    MAX_VALUES,
    resolve_filter,
)
from persisty.settings import VARIABLES
from persisty.store.limits import DEFAULT_LIMIT, MAX_BATCH, MAX_LIMIT
from tests.unit.query.items import META, Geo

from . import reference
from .markdown import table

DOCS = Path(__file__).parents[2] / "docs"
YES, NO = "●", ""
VALUES: dict[str, Any] = {
    "text": "a", "count": 1, "ratio": 1.0, "done": True, "at": "2026-01-01T00:00:00Z", "day": "2026-01-01",
    "id": "00000000-0000-4000-8000-000000000000", "price": "1", "color": "red", "blob": b"a", "extra": None,
}  # fmt: skip
"""A value for an attribute of each kind."""


def kinds() -> str:
    return table(
        ["operator", *Kind],
        (
            [f"`{operator}`", *(YES if kind in applies else NO for kind in Kind)]
            for operator, applies in OPERATORS.items()
        ),
    )


def aggregates() -> str:
    spelled = {"count": "`COUNT`", **{name: f"`Item.n.{name}()`" for name in AGGREGATES}}
    of_nothing = {"count": "0", "sum": "0"}
    rows = [
        [f"`{name}`", python, ", ".join(sorted(AGGREGATES.get(name, ()))) or "the items", of_nothing.get(name, "None")]
        for name, python in spelled.items()
    ]
    return table(["aggregate", "Python", "kinds of attributes", "result without values"], rows)


def limits() -> str:
    rows: list[tuple[str, int, str]] = [
        ("comparisons of a filter", MAX_COMPARISONS, "`invalid_query`"),
        ("values in all `oneof` of a filter", MAX_VALUES, "`invalid_query`"),
        ("levels of and, or and not", MAX_LEVELS, "`invalid_query`"),
        ("levels of and, or and not in JSON", MAX_DEPTH, "`invalid_query`"),
        ("filters in all arrays of `and` and `or` in JSON", MAX_FILTERS, "`invalid_query`"),
        ("links that a filter follows", MAX_LINKS, "`invalid_query`"),
        ("links that follow each other; one through a join item counts as two", MAX_LINKS_NESTED, "`invalid_query`"),
        ("levels of arrays and objects in a stored value", MAX_NESTING, "`invalid_input`"),
        ("levels of arrays and objects in a request", MAX_TEXT_NESTING, "`malformed_json`"),
        ("faults that a response lists", MAX_FAULTS, ""),
        ("parameters of a URL", MAX_PARAMETERS, "`invalid_query`"),
        ("items of a page", MAX_LIMIT, "`invalid_query`"),
        ("items of a page unless `limit` is given", DEFAULT_LIMIT, ""),
        ("keys or edits of a batch", MAX_BATCH, "`batch_too_large`"),
        ("groups of an aggregate", MAX_GROUPS, "`too_many_groups`"),
        ("bytes of a body", MAX_BODY, "`payload_too_large`"),
    ]
    return table(["limit", "value", "error"], ([what, f"{most:,}", beyond] for what, most, beyond in rows))


def graphql() -> str:
    values: dict[str, int | str] = {
        "tokens of a document": Limits().tokens,
        "levels of fields": Limits().depth,
        "fields of a document": Limits().fields,
        "aliases of a document": Limits().aliases,
        "operations and fragments of a document": Limits().definitions,
        "comparisons of fields with one response name in one place": Limits().comparisons,
        "members and elements of the variables": Limits().values,
        "values of a response (complexity)": Limits().complexity,
        "values about the schema (introspection)": "a quarter more than the complete introspection query",
        "items that one link may request": MOST_AT_ONCE,
        "items of links in a response": MOST_IN_ALL,
    }
    return table(
        ["limit", "value"], ([what, most if isinstance(most, str) else f"{most:,}"] for what, most in values.items())
    )


@stored
class Located:
    """An item with a nested attribute, to find out what each engine filters itself."""

    id: str
    text: str = ""
    geo: Geo | None = None


def engines() -> str:
    rows = [[f"`{operator}`", *_native(operator, applies)] for operator, applies in OPERATORS.items()]
    where = resolve_filter(META, Compare("home.lat", "eq", 1.0))
    nested = [_filters_nested("memory://"), _filters_nested("sqlite://"), True, expressions.native(META, where)]
    return table(
        ["operator", "memory", "SQLite", "PostgreSQL", "DynamoDB"],
        [*rows, ["nested attributes", *map(_decided_by, nested)]],
    )


def _native(operator: str, applies: frozenset[Kind]) -> list[str]:
    filters = [_comparison(name, operator) for name in VALUES if META.attributes[name].kind in applies]
    by_dynamodb = {expressions.native(META, where) for where in filters}
    assert len(by_dynamodb) == 1, f"DynamoDB decides {operator} of some kinds only: the table needs a row for each"
    in_sql = all(_operators(where) <= conditions.COMPARISONS.keys() for where in filters)
    return [_decided_by(False), _decided_by(in_sql), _decided_by(in_sql), _decided_by(by_dynamodb.pop())]


def _operators(where: Filter) -> set[str]:
    """Return the operators of a resolved filter: persisty replaces some operators by others."""
    match where:
        case Compare(_, operator):
            return {operator}
        case And(filters) | Or(filters):
            return {operator for one in filters for operator in _operators(one)}
    raise TypeError(f"{where} is no comparison")


def _comparison(name: str, operator: str) -> Filter:
    values = {"null": True, "oneof": [VALUES[name], VALUES[name]]}
    return resolve_filter(META, Compare(name, operator, values.get(operator, VALUES[name])))


def _filters_nested(url: str) -> bool:
    """Return whether the engine at `url` filters nested attributes itself."""
    app = App("located", items=[Located], url=url)
    app.prepare()
    explanation = app.store(Located).explain(Compare("geo.lat", "eq", 1.0))
    app.close()
    assert meta_of(Located).nested
    return explanation.local == ALL


def _decided_by(native: bool) -> str:
    return "the engine" if native else "persisty"


def errors() -> str:
    """Return the table of the error codes: each with its status and the first line of its class."""
    rows = ([f"`{error.code}`", str(error.status), _first_line(error)] for error in all_errors())
    return table(["code", "status", "when"], rows)


def _first_line(error: type[PersistyError]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


SECRET = (
    "PERSISTY_TOKEN_SECRET",
    "The secret that signs persisty's own tokens. It is read where it is needed, and is no member of `Settings`",
)


def settings() -> str:
    """Return the table of the environment variables."""
    return table(["variable", "meaning"], ([f"`{name}`", meaning] for name, meaning in [*VARIABLES.items(), SECRET]))


TABLES = {
    "errors.md": {"errors": errors},
    "settings.md": {"settings": settings},
    "filters.md": {"kinds": kinds, "aggregates": aggregates, "limits": limits, "engines": engines},
    "graphql.md": {"graphql": graphql},
    "deploying.md": {"deployment": reference.deployment, "constructs": reference.constructs},
    "reference.md": {**reference.TABLES, "variables": settings},
}
"""Page → name of the mark → function that makes the table below it."""


_BELOW = re.compile(r"\A\n+(\|.*\n)*\n*")
"""The old table below a mark."""


def renewed(page_name: str) -> str:
    """Return the text of a page with tables made from the code."""
    page = (DOCS / page_name).read_text()
    for name, make in TABLES[page_name].items():
        mark = f"<!-- {name} -->"
        before, found, after = page.partition(mark)
        assert found, name
        page = f"{before}{mark}\n\n{make()}\n\n{_BELOW.sub('', after)}".rstrip() + "\n"
    return page


if __name__ == "__main__":
    for name in TABLES:
        (DOCS / name).write_text(renewed(name))
