"""Changes of an app's items while it runs: one item added to a thousand, against an app that is built anew with all of them."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from persisty import App, Attr, BelongsTo, link, stored
from persisty.model.meta import meta_of

from .measure import Row, row

ITEMS, TIMES, CHANGES = 1_000, 5, 100


@stored(key="id")
class First:
    id: Attr[str]
    text: Attr[str]


@stored(key="id")
class Next:
    id: Attr[str]
    text: Attr[str]
    first_id: Attr[str]
    first: BelongsTo[First] = link(on_delete="cascade")


def rows() -> Iterator[Row]:
    plain, belonging = meta_of(First).schema, meta_of(Next).schema
    apart = [replace(plain, name=f"item_{number}") for number in range(ITEMS)]
    together = [plain, *(replace(belonging, name=f"item_{number}") for number in range(ITEMS - 1))]
    for work, schemas in (("none linked", apart), ("all linked to one", together)):
        built = _seconds(lambda schemas=schemas: App("bench", items=schemas, url="memory://"))  # type: ignore[misc]
        app = App("bench", items=schemas, url="memory://")
        added = replace(schemas[-1], name="added")

        def change(app: App = app, added: Any = added) -> None:
            app.add(added)
            app.remove("added")

        yield row(
            f"add and remove 1 of {ITEMS:,} items, {work}", "a new App", _seconds(change) * 1e3, built * 1e3, unit="ms"
        )

    yield _memory(apart)


def _memory(schemas: list[Any]) -> Row:
    """Compare the memory that is left after items came and went with that of the app."""
    tracemalloc.start()
    app = App("bench", items=schemas, url="memory://")
    whole = _allocated()
    for number in range(CHANGES):
        app.add(replace(schemas[-1], name=f"added_{number}"))
        app.remove(f"added_{number}")
    left = max(_allocated() - whole, 1)
    tracemalloc.stop()
    work = f"memory after {CHANGES} items were added to {ITEMS:,} and removed"
    return row(work, f"an App of {ITEMS:,} items", left / 1e3, whole / 1e3, unit="kB left")


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _seconds(work: Any) -> float:
    """Return the shortest time of some calls."""
    found = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)
