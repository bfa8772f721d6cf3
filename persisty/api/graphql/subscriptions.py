"""The subscriptions of an app as plain data: three for each item that some caller may read.

The hosted schema and AppSync's schema are both built from this list. On AppSync each subscription also has a mutation, with which the function of
the table's stream publishes events. No other caller may use it, and the hosted schema does not have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from ...model.meta import StoreMeta
from ...naming import camel

KINDS = {
    "created": "Each item that is created from now on",
    "updated": "Each item that is updated from now on, after the update",
    "deleted": "Each item that is deleted from now on, before the deletion",
}
"""Kind of change → description of its subscription."""


class Subscription(Struct, frozen=True):
    """A subscription. `kind` is one of `KINDS`. Its argument is `where`, and its events are items."""

    meta: StoreMeta[Any]
    kind: str

    @property
    def name(self) -> str:
        """The name in the form of operations' names: `message_created`."""
        return f"{self.meta.name}_{self.kind}"

    @property
    def field(self) -> str:
        """The name as a field of `Subscription`: `messageCreated`."""
        return camel(self.name)

    @property
    def publisher(self) -> str:
        """The mutation on AppSync that triggers it: `publishMessageCreated`."""
        return camel(f"publish_{self.name}")

    @property
    def description(self) -> str:
        return KINDS[self.kind]


def subscriptions(metas: Iterable[StoreMeta[Any]]) -> tuple[Subscription, ...]:
    """Return the subscriptions to these items that some caller may read."""
    readable = (meta for meta in metas if meta.access is not None and meta.access.allows("read"))
    return tuple(Subscription(meta, kind) for meta in readable for kind in KINDS)
