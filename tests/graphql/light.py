"""A small app whose action stands in a module of its own, as a Lambda loads it."""

from __future__ import annotations

from uuid import UUID

from persisty import App, Attr, public, stored


@stored(access=public)
class Plain:
    id: UUID
    text: str
    tags: list[str] = Attr(factory=list)


app = App("light", items=[Plain], actions=["tests.graphql.light_actions"], url="memory://")
