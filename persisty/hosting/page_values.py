"""Values of the pages: the name of an app, its stores and actions with their links, and the first query in GraphiQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from string import Template

from ..api.actions import action_operations, operations
from ..api.graphql.starter_query import starter_query
from ..api.store_operations import operations_of
from ..application import App
from ..naming import kebab

Values = Mapping[str, str]
CODE = re.compile(r"`([^`]+)`")
"""A name in a docstring."""


def filled(page: str, template: Template, app: App) -> str:
    """Return the text of a page. Every value is escaped for HTML."""
    return template.substitute({"name": escape(app.name), **VALUES.get(page, _none)(app)})


def _none(app: App) -> Values:
    return {}


def _index(app: App) -> Values:
    stores = [
        (name, f"api/{kebab(name)}", f"docs#/{name}", store.meta.description)
        for name, store in app.catalogue.stores.items()
        if operations_of(store)
    ]
    actions = [
        (one.path, None, f"docs#/actions/{one.name}", one.description) for one in action_operations(app).values()
    ]
    rows = [*map(_row, stores), *map(_row, actions)]
    return {
        "rows": "\n".join(rows) or "<tr><td>The app offers nothing to callers yet.</td></tr>",
        "stage": escape(app.stage),
    }


def _row(row: tuple[str, str | None, str, str | None]) -> str:
    name, path, docs, description = row
    shown = CODE.sub(r"<code>\1</code>", escape((description or "").partition("\n")[0]))
    address = f"<code>/{escape(path)}</code>" if path else ""
    return f'<tr><td><a href="{escape(docs)}">{escape(name)}</a> {address}</td><td>{shown}</td></tr>'


def _graphiql(app: App) -> Values:
    return {"query": escape(starter_query(operations(app).values()))}


VALUES: Mapping[str, Callable[[App], Values]] = {"index.html": _index, "graphiql.html": _graphiql}
"""Page → function that returns its values, without the app's name."""
