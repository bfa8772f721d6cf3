"""An app of many linked items, whose deployment has 330 resources."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from persisty import GENERATED, VERSION, App, Attr, BelongsTo, HasMany, Index, link, public, stored

ITEMS = 27
FIRST = "Item00"


def item(number: int) -> Any:
    """Return an item that belongs to the first."""
    first = number == 0
    members: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {
            "id": Attr[UUID], "name": Attr[str], "version": Attr[int],
            **({"parts": HasMany["Item01"]} if first else {"owner_id": Attr[UUID], "owner": BelongsTo[FIRST]}),
        },
        "id": GENERATED, "version": VERSION,
        **({"parts": link(by="owner_id")} if first else {"owner": link(on_delete="cascade")}),
    }  # fmt: skip
    indexes = [Index("name")] if first else [Index("owner_id"), Index("name")]
    return stored(access=public, indexes=indexes)(type(f"Item{number:02}", (), members))


app = App("many", items=[item(number) for number in range(ITEMS)])
