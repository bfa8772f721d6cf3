"""Writes on PostgreSQL: their round trips, unique values, and concurrent writers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from persisty import App, Conflict, Create, Delete, PreconditionFailed, Store, Update, add

from .papers import Paper, Ticket, raw, wait_for_a_lock
from .proxy import Proxy


def test_every_verb_is_one_round_trip(proxied: Store[Paper], proxy: Proxy) -> None:
    paper = proxied.create(Paper(id="a", email="a"))
    for verb, answer in (
        (lambda: proxied.read("a"), paper),
        (lambda: proxied.read_batch(["a", "b"] * 50), [paper, None] * 50),
        (lambda: proxied.count(Paper.topic == "a"), 1),
        (lambda: proxied.search(Paper.topic == "a").items, [paper]),
        (lambda: proxied.update("b", {"number": 1}), None),
        (lambda: proxied.update("b", {"number": 1}, when=Paper.number == 2), None),
        (lambda: proxied.update("a", {"number": 0}, when=Paper.number == None).number, 0),  # noqa: E711
        (lambda: proxied.update_all({"number": add(1)}).changed, 1),
        (lambda: proxied.delete("b", when=Paper.number == 0), False),
        (lambda: proxied.delete("a", when=Paper.number == 1), True),
        (lambda: proxied.delete("a"), False),
    ):
        proxy.round_trips = 0
        assert verb() == answer
        assert proxy.round_trips == 1


def test_a_refusal_is_one_round_trip(proxied: Store[Paper], proxy: Proxy) -> None:
    paper = proxied.create(Paper(id="a", email="a", number=3))
    for verb in (
        lambda: proxied.update("a", {"number": 1}, when=Paper.number == 2),
        lambda: proxied.delete("a", when=Paper.number < 3),
    ):
        proxy.round_trips = 0
        with pytest.raises(PreconditionFailed) as refused:
            verb()
        assert refused.value.item == paper
        assert proxy.round_trips == 1
    for new, attributes in ((Paper(id="a"), ["id"]), (Paper(id="b", email="a"), ["email"])):
        proxy.round_trips = 0
        with pytest.raises(Conflict) as taken:
            proxied.create(new)
        assert taken.value.details["attributes"] == attributes
        assert proxy.round_trips == 1


def test_a_batch_of_a_hundred_is_one_round_trip_and_an_atomic_one_two(proxied: Store[Paper], proxy: Proxy) -> None:
    creates = [Create(Paper(id=f"{number:03}", number=0)) for number in range(100)]
    updates = [Update(f"{number:03}", {"number": add(1)}, when=Paper.number == number % 2) for number in range(100)]
    for edits, atomic, done, most in ((creates, False, 100, 1), (updates, False, 50, 1), (creates, True, 0, 2)):
        proxy.round_trips = 0
        assert sum(one.code == "ok" for one in proxied.edit_batch(edits, atomic=atomic)) == done
        assert proxy.round_trips == most
    assert proxied.count(Paper.number == 1) == 50


def test_an_edit_that_repeats_a_unique_value_is_reported_by_its_position(papers: Store[Paper]) -> None:
    papers.create(Paper(id="a", email="a", tenant="t", number=1))
    edits = [
        Create(Paper(id="b", email="b")),
        Create(Paper(id="c", email="a")),
        Create(Paper(id="d", tenant="t", number=1)),
        Update("b", {"email": "a"}),
        Update("a", {"email": "z"}),
        Update("b", {"email": "a"}),
        Create(Paper(id="a")),
        Delete("nowhere"),
    ]
    results = papers.edit_batch(edits)
    assert [one.code for one in results] == [
        "ok",
        "conflict",
        "conflict",
        "conflict",
        "ok",
        "ok",
        "conflict",
        "not_found",
    ]
    taken = [one.error.details["attributes"] for one in results if one.code == "conflict"]
    assert taken == [["email"], ["tenant", "number"], ["email"], ["id"]]
    assert {one.id: one.email for one in papers.search()} == {"a": "z", "b": "a"}
    results = papers.edit_batch([Create(Paper(id="x")), Create(Paper(id="y", email="a")), Delete("q")], atomic=True)
    assert [one.code for one in results] == ["aborted", "conflict", "not_found"]
    assert papers.count() == 2


def test_the_first_of_several_creates_of_one_key_in_a_batch_is_done(papers: Store[Paper]) -> None:
    papers.create(Paper(id="5"))
    results = papers.edit_batch([Create(Paper(id=str(number % 7), number=number)) for number in range(20)])
    assert [one.code for one in results] == ["ok" if number < 7 and number != 5 else "conflict" for number in range(20)]
    assert {one.id: one.number for one in papers.search()} == {str(n): None if n == 5 else n for n in range(7)}


def test_the_connection_is_usable_after_a_failed_batch(app: App) -> None:
    papers = app.store(Paper)
    papers.create(Paper(id="a", email="a"))
    [session] = app.engine._postgres._pool._idle
    for atomic in (True, False):
        papers.edit_batch([Create(Paper(id="b")), Create(Paper(id="c", email="a"))], atomic=atomic)
    assert papers.count() == 2
    assert app.engine._postgres._pool._idle == [session]


THREADS = 6


def test_a_refused_update_never_reports_an_item_that_matches_its_condition(papers: Store[Paper]) -> None:
    """Several writers switch a number between two values. An update requires one of them: it succeeds, or reports the other."""
    papers.create(Paper(id="a", number=0, tags=[]))
    gate, wrong = threading.Barrier(THREADS), list[Paper]()

    def flip(thread: int) -> int:
        gate.wait()
        flipped = 0
        for turn in range(120):
            expected = (thread + turn) % 2
            try:
                new = papers.update(
                    "a", {"number": 1 - expected}, when=(Paper.number == expected) | (Paper.topic == "b")
                )
                assert new.number == 1 - expected
                flipped += 1
            except PreconditionFailed as refused:
                wrong.extend([refused.item] if refused.item.number == expected else [])
        return flipped

    with ThreadPoolExecutor(THREADS) as threads:
        flips = sum(threads.map(flip, range(THREADS)))
    assert wrong == []
    assert papers.read("a").number == flips % 2


def test_a_conditional_update_is_decided_on_the_row_that_it_waited_for(app: App) -> None:
    papers = app.store(Paper)
    papers.create(Paper(id="a", number=0))
    for condition, seen in ((Paper.number == 0, PreconditionFailed), (Paper.number == 1, None)):
        other = raw(app)
        other.autocommit = False
        other.execute("UPDATE paper SET number = 1 WHERE id = 'a'")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(papers.update, "a", {"topic": "new"}, when=condition)
            wait_for_a_lock(app)
            other.commit()
            if seen is None:
                assert (waiting.result().number, waiting.result().topic) == (1, "new")
            else:
                with pytest.raises(seen) as refused:
                    waiting.result()
                assert (refused.value.item.number, refused.value.item.topic) == (1, "a")
        other.execute("DELETE FROM paper WHERE id = 'a'")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(papers.delete, "a", when=condition)
            wait_for_a_lock(app)
            other.commit()
            assert waiting.result() is False
        other.close()
        papers.create(Paper(id="a", number=0))


@pytest.mark.parametrize("limit", [None, 2])
def test_a_bulk_write_skips_a_row_that_no_longer_matches_after_its_lock(app: App, limit: int | None) -> None:
    papers = app.store(Paper)
    papers.edit_batch([Create(Paper(id=key, number=0)) for key in "abc"])
    with raw(app) as other, ThreadPoolExecutor(1) as thread:
        other.autocommit = False
        other.execute("UPDATE paper SET number = 7 WHERE id = 'a'")
        waiting = thread.submit(papers.update_all, {"topic": "new"}, Paper.number == 0, limit=limit)
        wait_for_a_lock(app)
        other.commit()
        assert waiting.result().changed == 2
    assert [one.topic for one in papers.search(order="id")] == ["a", "new", "new"]


def test_one_of_many_concurrent_writes_gets_a_unique_value(papers: Store[Paper]) -> None:
    gate = threading.Barrier(THREADS)

    def work(thread: int) -> list[str]:
        gate.wait()
        results: list[str] = []
        for turn in range(15):
            key = f"{thread}-{turn}"
            if thread % 3 == 0:
                results += [
                    one.code for one in papers.edit_batch([Create(Paper(id=key)), Update(key, {"email": str(turn)})])
                ][1:]
            else:
                edits = [Create(Paper(id=key, email=str(turn))), Create(Paper(id=f"{key}b", tenant="t"))][: thread % 3]
                results += [papers.edit_batch(edits, atomic=bool(turn % 2))[0].code]
        return results

    with ThreadPoolExecutor(THREADS) as threads:
        codes = [code for some in threads.map(work, range(THREADS)) for code in some]
    assert (codes.count("ok"), codes.count("conflict")) == (15, 15 * (THREADS - 1))
    assert papers.count(Paper.email != None) == 15  # noqa: E711


def test_batches_in_opposite_orders_do_not_deadlock(papers: Store[Paper]) -> None:
    keys = [f"{number:02}" for number in range(40)]
    papers.edit_batch([Create(Paper(id=key, number=0)) for key in keys])

    def work(thread: int) -> set[str]:
        edits = [Update(key, {"topic": str(thread)}) for key in (keys if thread % 2 else reversed(keys))]
        return {one.code for turn in range(5) for one in papers.edit_batch(edits, atomic=bool(turn % 2))}

    with ThreadPoolExecutor(4) as threads:
        assert set().union(*threads.map(work, range(4))) == {"ok"}


def test_sequences_are_numbered_by_the_server(app: App) -> None:
    tickets = app.store(Ticket)

    def work(thread: int) -> list[int]:
        made = [tickets.create(Ticket()).number for _ in range(5)]
        return made + [one.item.number for one in tickets.edit_batch([Create(Ticket()) for _ in range(5)])]

    with ThreadPoolExecutor(4) as threads:
        numbers = [number for some in threads.map(work, range(4)) for number in some]
    assert sorted(numbers) == list(range(1, 41))
