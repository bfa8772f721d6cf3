"""A small app with an action in its own module, as a Lambda function imports it."""

from __future__ import annotations

from uuid import UUID

from persisty import App, Attr, public, stored


@stored(access=public)
class Plain:
    id: UUID
    text: str
    tags: list[str] = Attr(factory=list)


app = App("light", items=[Plain], actions=["tests.graphql.light_actions"], url="memory://")
