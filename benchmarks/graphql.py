"""A list of 50 with two nested links, 600 objects in all: from the text of a query to the JSON of its answer, without HTTP.

persisty against Strawberry with DataLoaders, with and without its document caches, each in its own process, over one SQLite
file.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from .answering import answering
from .library import fill, library
from .measure import Row, row

SECONDS, ROUNDS = 2.0, 5
OURS = "persisty"
SUBJECTS: dict[str, tuple[str, ...]] = {
    OURS: ("benchmarks.peers.persisty_library",),
    "Strawberry with DataLoader": ("benchmarks.peers.strawberry_library",),
    "the same, documents cached": ("benchmarks.peers.strawberry_library", "cached"),
}
"""Subject → its module, and its arguments after the path of the database."""


def rows() -> Iterator[Row]:
    rates: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = str(Path(folder) / "library.db")
        app = library(path)
        fill(app)
        app.close()
        asks = {name: stack.enter_context(answering(module, path, *told)) for name, (module, *told) in SUBJECTS.items()}
        ours, *theirs = (_items(ask(0.5)[1]) for ask in asks.values())
        if any(one != ours for one in theirs):
            raise RuntimeError("the answers differ")
        for _ in range(ROUNDS):
            for name, ask in asks.items():
                rates[name].append(ask(SECONDS)[0])
    middle = {name: statistics.median(found) for name, found in rates.items()}
    work = "GraphQL list of 50 with two nested links, req/s"
    for peer in [name for name in SUBJECTS if name != OURS]:
        yield row(work, peer, middle[OURS], middle[peer], unit="req/s")


def _items(body: str) -> object:
    """Return the answer, by author."""
    [page] = msgspec.json.decode(body)["data"].values()
    return sorted(page["items"], key=lambda one: one["id"])
