"""Concurrent threads: the second writer gets an error."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

from persisty import Conflict, Create, Delete, PreconditionFailed, Store, Update
from persisty.store.edits import Edit
from persisty.store.store import context_of

from .fixtures import present
from .items import Note

THREADS = 8


def at_once(call: Callable[[int], Any]) -> list[Any]:
    """Return the results of one call for each thread, all started together."""
    gate = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        gate.wait()
        return call(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_exactly_one_of_several_concurrent_creates_of_a_key_succeeds(notes: Store[Note]) -> None:
    for _ in range(10):
        key = uuid4()

        def create(number: int, key: Any = key) -> Note | None:
            try:
                return notes.create(Note(id=key, rank=number))
            except Conflict:
                return None

        winners = [one for one in at_once(create) if one is not None]
        assert len(winners) == 1
        assert notes.read(key) == winners[0]
    assert notes.count() == 10


def test_exactly_one_of_several_concurrent_batches_creates_each_key(notes: Store[Note]) -> None:
    keys = [uuid4() for _ in range(10)]
    answers = at_once(lambda number: notes.edit_batch(Create(Note(id=key, rank=number)) for key in keys))
    codes = [Counter(answer[position].code for answer in answers) for position in range(len(keys))]
    assert codes == [Counter(ok=1, conflict=THREADS - 1)] * len(keys)
    winners = [next(one[n].item for one in answers if one[n].item) for n in range(len(keys))]
    assert notes.read_batch(keys) == winners


def test_exactly_one_of_several_concurrent_deletes_returns_true(notes: Store[Note]) -> None:
    for _ in range(5):
        answers = at_once(partial(lambda key, _: notes.delete(key), notes.create(Note()).id))
        assert sorted(answers) == [False] * (THREADS - 1) + [True]


def test_versions_count_every_update(notes: Store[Note]) -> None:
    note = notes.create(Note())
    versions = at_once(lambda number: [present(notes.update(note.id, {"rank": number})).version for _ in range(5)])
    assert sorted(version for some in versions for version in some) == list(range(2, 5 * THREADS + 2))
    assert present(notes.read(note.id)).version == 5 * THREADS + 1


def test_under_an_optimistic_lock_no_increment_is_lost(notes: Store[Note]) -> None:
    note = notes.create(Note(rank=0))

    def increment(number: int) -> int:
        seen: Any = note
        refused = 0
        for _ in range(4):
            while True:
                try:
                    seen = notes.update(note.id, {"rank": seen.rank + 1}, when=Note.version == seen.version)
                    break
                except PreconditionFailed as error:
                    seen, refused = error.item, refused + 1
        return refused

    at_once(increment)
    final = notes.read(note.id)
    assert final is not None
    assert final.rank == 4 * THREADS
    assert final.version == 4 * THREADS + 1


def test_exactly_one_of_several_concurrent_conditional_updates_succeeds(notes: Store[Note]) -> None:
    note = notes.create(Note(rank=0))

    def take(number: int) -> bool:
        try:
            return notes.update(note.id, {"rank": number + 1}, when=Note.rank == 0) is not None
        except PreconditionFailed as error:
            return bool(error.item.rank == 0)

    wins = at_once(take)
    assert wins.count(True) == 1
    assert present(notes.read(note.id)).rank == wins.index(True) + 1


def test_atomic_batches_move_amounts_without_losing_any(notes: Store[Note]) -> None:
    a, b = notes.create(Note(rank=100)), notes.create(Note(rank=100))

    def move(number: int) -> int:
        moved = 0
        for _ in range(3):
            one, two = map(present, notes.read_batch([a.id, b.id]))
            edits: list[Edit] = [
                Update(a.id, {"rank": one.rank - 1}, when=Note.version == one.version),
                Update(b.id, {"rank": two.rank + 1}, when=Note.version == two.version),
                Create(Note(topic="moved")),
            ]
            codes = {result.code for result in notes.edit_batch(edits, atomic=True)}
            assert codes == {"ok"} or codes <= {"aborted", "precondition_failed"}
            moved += codes == {"ok"}
        return moved

    moved = sum(at_once(move))
    assert moved > 0
    assert (present(notes.read(a.id)).rank, present(notes.read(b.id)).rank) == (100 - moved, 100 + moved)
    assert notes.count(Note.topic == "moved") == moved


def test_an_atomic_batch_is_never_seen_half_done(notes: Store[Note]) -> None:
    pair = [uuid4(), uuid4()]

    def work(number: int) -> list[int]:
        if number % 2:
            return [sum(one is not None for one in notes.read_batch(pair)) for _ in range(10)]
        for _ in range(5):
            notes.edit_batch([Create(Note(id=key)) for key in pair], atomic=True)
            notes.edit_batch([Delete(key) for key in pair], atomic=True)
        return []

    # DynamoDB's BatchGetItem reads each item on its own: a transaction may run between two of them
    halves = set() if context_of(notes).backend.capabilities.snapshot_reads else {1}
    assert {seen for one in at_once(work) for seen in one} <= {0, 2} | halves
