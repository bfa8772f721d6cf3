"""The fields of an AppSync schema that are links."""

from __future__ import annotations

from graphql import GraphQLObjectType, GraphQLSchema

from persisty import App
from persisty.naming import pascal


def links_in(schema: GraphQLSchema, app: App) -> set[tuple[str, str]]:
    """Return the fields of the schema that are links of the app's items, as (type, field)."""
    items = {pascal(meta.name): meta for meta in app.metas.values()}
    return {
        (type_.name, name)
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and type_.name in items
        for name in type_.fields
        if name in items[type_.name].links
    }
