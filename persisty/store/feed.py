"""Changes of items, as whoever listens is told of them: by the stores of this process, or by what an engine's stream carries."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Change(Struct, frozen=True):
    """What happened to an item. `store` is the item's name, `kind` `created`, `updated` or `deleted`, `key` its key; `item` is as
    it is then, of a deleted one as it was."""

    store: str
    kind: str
    key: str
    item: Any
