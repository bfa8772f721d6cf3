"""`update_all` and `delete_all` end even if other callers keep creating matches, and write every item that existed at the start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic

import pytest

from persisty import Create, PersistyError, Store

from .items import Note

WRITERS = 3
AT_START = 120
MOST = 600
"""The most items that are created, so that an engine that reads all of them for each write ends, too."""
SECONDS = 20.0


@contextmanager
def creating(notes: Store[Note]) -> Iterator[list[int]]:
    """Create items with rising ranks in other threads until the block ends. Yields the ranks."""
    over, ranks = threading.Event(), count(1_000)
    made: list[int] = []

    def create() -> None:
        until = monotonic() + SECONDS
        while not over.is_set() and monotonic() < until and len(made) < MOST:
            try:
                some = [next(ranks) for _ in range(20)]
                notes.edit_batch(Create(Note(topic="old", rank=rank)) for rank in some)
                made.extend(some)
            except PersistyError:  # busy
                continue

    threads = [threading.Thread(target=create) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("verb", ["update_all", "delete_all"])
def test_an_unlimited_bulk_write_ends_despite_concurrent_creates_and_misses_no_item(
    notes: Store[Note], verb: str
) -> None:
    for start in range(0, AT_START, 60):
        notes.edit_batch(Create(Note(topic="old", rank=rank)) for rank in range(start, start + 60))
    begun = monotonic()
    with creating(notes) as made:
        where = Note.topic == "old"
        done = notes.update_all({"topic": "new"}, where) if verb == "update_all" else notes.delete_all(where)
        took = monotonic() - begun
        seen = len(made)
    assert took < SECONDS / 2, f"{seen} items were created in {took:.1f} s"
    assert done.changed >= AT_START
    assert done.cursor is None
    assert notes.count((Note.topic == "old") & (Note.rank < AT_START)) == 0
