"""The PostgreSQL engine against a real server: what is stored, round trips, schemas, names, and races that are really run."""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec import Struct

from persisty import (
    SEQUENCE,
    App,
    Attr,
    BackendUnavailable,
    Conflict,
    Create,
    Delete,
    Index,
    InvalidDeclaration,
    InvalidInput,
    PreconditionFailed,
    Store,
    Unique,
    Update,
    add,
    append,
    stored,
)

from .proxy import Proxy


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Rank(enum.IntEnum):
    FIRST = 1
    TENTH = 10


class Inner(Struct, rename={"quote": "it's {one}, 'quoted', ü"}):
    text: str | None = None
    count: int | None = None
    ratio: float | None = None
    done: bool | None = None
    at: datetime | None = None
    day: date | None = None
    ref: UUID | None = None
    price: Decimal | None = None
    size: Size | None = None
    rank: Rank | None = None
    blob: bytes | None = None
    quote: str | None = None


@stored(key="id", indexes=[Unique("email"), Unique("tenant", "number"), Index("topic", "number")])
class Paper:
    id: str
    topic: str = "a"
    number: int | None = None
    tenant: str | None = None
    email: str | None = None
    text: str | None = None
    ref: UUID | None = None
    blob: bytes | None = None
    inner: Inner | None = None
    tags: list[str] = Attr(factory=list)
    extra: dict[str, Any] | None = None


@stored
class Ticket:
    id: UUID
    number: int = Attr(generator=SEQUENCE)


@pytest.fixture
def app(schema: str) -> Iterator[App]:
    app = App("papers", items=[Paper, Ticket], url=schema)
    app.prepare()
    yield app
    app.close()


@pytest.fixture
def papers(app: App) -> Store[Paper]:
    return app.store(Paper)


@pytest.fixture
def far(app: App, proxy: Proxy) -> Iterator[Store[Paper]]:
    """The same papers through a proxy that counts, over a connection that is open."""
    other = App("papers", items=[Paper], url=proxy.url)
    other.store(Paper).backend._connection.rows("SELECT 1")
    yield other.store(Paper)
    other.close()


def raw(app: App) -> psycopg.Connection[Any]:
    """A connection that persisty knows nothing of, in the same schema."""
    pool = app.engine._postgres._pool
    connection = psycopg.connect(pool._conninfo, autocommit=True)
    connection.execute(pool._settings)
    return connection


def test_every_verb_is_one_round_trip(far: Store[Paper], proxy: Proxy) -> None:
    paper = far.create(Paper(id="a", email="a"))
    for verb, answer in (
        (lambda: far.read("a"), paper),
        (lambda: far.read_batch(["a", "b"] * 50), [paper, None] * 50),
        (lambda: far.count(Paper.topic == "a"), 1),
        (lambda: far.search(Paper.topic == "a").items, [paper]),
        (lambda: far.update("b", {"number": 1}), None),
        (lambda: far.update("b", {"number": 1}, when=Paper.number == 2), None),
        (lambda: far.update("a", {"number": 0}, when=Paper.number == None).number, 0),  # noqa: E711
        (lambda: far.update_all({"number": add(1)}).changed, 1),
        (lambda: far.delete("b", when=Paper.number == 0), False),
        (lambda: far.delete("a", when=Paper.number == 1), True),
        (lambda: far.delete("a"), False),
    ):
        proxy.turns = 0
        assert verb() == answer
        assert proxy.turns == 1


def test_a_refusal_is_one_round_trip(far: Store[Paper], proxy: Proxy) -> None:
    paper = far.create(Paper(id="a", email="a", number=3))
    for verb in (
        lambda: far.update("a", {"number": 1}, when=Paper.number == 2),
        lambda: far.delete("a", when=Paper.number < 3),
    ):
        proxy.turns = 0
        with pytest.raises(PreconditionFailed) as refused:
            verb()
        assert refused.value.item == paper
        assert proxy.turns == 1
    for new, attributes in ((Paper(id="a"), ["id"]), (Paper(id="b", email="a"), ["email"])):
        proxy.turns = 0
        with pytest.raises(Conflict) as taken:
            far.create(new)
        assert taken.value.details["attributes"] == attributes
        assert proxy.turns == 1


def test_a_batch_of_a_hundred_is_one_round_trip_and_an_atomic_one_two(far: Store[Paper], proxy: Proxy) -> None:
    creates = [Create(Paper(id=f"{number:03}", number=0)) for number in range(100)]
    updates = [Update(f"{number:03}", {"number": add(1)}, when=Paper.number == number % 2) for number in range(100)]
    for edits, atomic, done, most in ((creates, False, 100, 1), (updates, False, 50, 1), (creates, True, 0, 2)):
        proxy.turns = 0
        assert sum(one.code == "ok" for one in far.edit_batch(edits, atomic=atomic)) == done
        assert proxy.turns == most
    assert far.count(Paper.number == 1) == 50


def test_an_edit_that_repeats_a_unique_value_is_told_by_its_index(papers: Store[Paper]) -> None:
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


def test_a_failed_batch_leaves_the_connection_fit_for_use(app: App) -> None:
    papers = app.store(Paper)
    papers.create(Paper(id="a", email="a"))
    [session] = app.engine._postgres._pool._idle
    for atomic in (True, False):
        papers.edit_batch([Create(Paper(id="b")), Create(Paper(id="c", email="a"))], atomic=atomic)
    assert papers.count() == 2
    assert app.engine._postgres._pool._idle == [session]


THREADS = 6


def test_a_refused_update_never_reports_an_item_that_its_condition_holds_for(papers: Store[Paper]) -> None:
    """Writers flip a number to and fro; whoever asks for one of its values is given it, or the other."""
    papers.create(Paper(id="a", number=0, tags=[]))
    gate, wrong = threading.Barrier(THREADS), list[Paper]()

    def flip(thread: int) -> int:
        gate.wait()
        flipped = 0
        for turn in range(120):
            wanted = (thread + turn) % 2
            try:
                new = papers.update("a", {"number": 1 - wanted}, when=(Paper.number == wanted) | (Paper.topic == "b"))
                assert new.number == 1 - wanted
                flipped += 1
            except PreconditionFailed as refused:
                wrong.extend([refused.item] if refused.item.number == wanted else [])
        return flipped

    with ThreadPoolExecutor(THREADS) as threads:
        flips = sum(threads.map(flip, range(THREADS)))
    assert wrong == []
    assert papers.read("a").number == flips % 2


def test_a_conditional_update_decides_over_the_row_that_it_waited_for(app: App) -> None:
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
def test_a_bulk_write_leaves_what_no_longer_matches_when_its_turn_comes(app: App, limit: int | None) -> None:
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


def test_of_many_who_want_one_unique_value_one_gets_it(papers: Store[Paper]) -> None:
    gate = threading.Barrier(THREADS)

    def work(thread: int) -> list[str]:
        gate.wait()
        told: list[str] = []
        for turn in range(15):
            key = f"{thread}-{turn}"
            if thread % 3 == 0:
                told += [
                    one.code for one in papers.edit_batch([Create(Paper(id=key)), Update(key, {"email": str(turn)})])
                ][1:]
            else:
                edits = [Create(Paper(id=key, email=str(turn))), Create(Paper(id=f"{key}b", tenant="t"))][: thread % 3]
                told += [papers.edit_batch(edits, atomic=bool(turn % 2))[0].code]
        return told

    with ThreadPoolExecutor(THREADS) as threads:
        codes = [code for some in threads.map(work, range(THREADS)) for code in some]
    assert (codes.count("ok"), codes.count("conflict")) == (15, 15 * (THREADS - 1))
    assert papers.count(Paper.email != None) == 15  # noqa: E711


def wait_for_a_lock(app: App) -> None:
    """Until some session waits for another's row."""
    with raw(app) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while connection.execute(query).fetchone() == (0,):
            pass


def test_batches_in_opposite_orders_do_not_wait_in_a_circle(papers: Store[Paper]) -> None:
    keys = [f"{number:02}" for number in range(40)]
    papers.edit_batch([Create(Paper(id=key, number=0)) for key in keys])

    def work(thread: int) -> set[str]:
        edits = [Update(key, {"topic": add_letter(thread)}) for key in (keys if thread % 2 else reversed(keys))]
        return {one.code for turn in range(5) for one in papers.edit_batch(edits, atomic=bool(turn % 2))}

    with ThreadPoolExecutor(4) as threads:
        assert set().union(*threads.map(work, range(4))) == {"ok"}


def add_letter(thread: int) -> str:
    return "abcdef"[thread]


def test_sequences_are_numbered_by_the_server(app: App) -> None:
    tickets = app.store(Ticket)

    def work(thread: int) -> list[int]:
        made = [tickets.create(Ticket()).number for _ in range(5)]
        return made + [one.item.number for one in tickets.edit_batch([Create(Ticket()) for _ in range(5)])]

    with ThreadPoolExecutor(4) as threads:
        numbers = [number for some in threads.map(work, range(4)) for number in some]
    assert sorted(numbers) == list(range(1, 41))


NESTED: dict[str, tuple[Any, Any, Any]] = {
    "text": ("a\0", "a\1", ""),
    "count": (2**63 - 1, 10, -9),
    "ratio": (1e125, 0.1 + 0.2, -1e-130),
    "at": (
        datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))),
        datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1, 1, 2, tzinfo=UTC),
    ),
    "day": (date(9999, 12, 31), date(2026, 1, 1), date(1, 1, 1)),
    "ref": (UUID(int=2**128 - 1), UUID(int=1), UUID(int=0)),
    "price": (Decimal("1E+100"), Decimal("0.10"), Decimal("-1E-100")),
    "blob": (b"\xff\0", b"a", b"\0"),
    "quote": ("'", '"', ""),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_values_compare_as_their_kind(papers: Store[Paper], name: str) -> None:
    values = NESTED[name]
    for number, value in enumerate(values):
        papers.create(Paper(id=str(number), inner=Inner(**{name: value}), extra={"\0": "\0"}))
    papers.create(Paper(id="null", inner=Inner()))
    papers.create(Paper(id="none"))
    attribute = getattr(Paper.inner, name)
    for number, value in enumerate(values):
        equal = [other for other in range(3) if values[other] == value]
        less = [other for other in range(3) if values[other] < value]
        assert ids(papers, attribute == value) == list(map(str, equal))
        assert ids(papers, attribute < value) == list(map(str, less))
        assert papers.count(attribute != value) == 5 - len(equal)
        assert papers.read(str(number)).inner == Inner(**{name: value})
    assert ids(papers, attribute.is_null()) == ["none", "null"]
    assert ids(papers, ~(attribute == values[0])) == ["1", "2", "none", "null"]


def test_nested_booleans_and_enums_compare_as_their_kind(papers: Store[Paper]) -> None:
    papers.create(Paper(id="a", inner=Inner(done=True, size=Size.SMALL, rank=Rank.TENTH)))
    papers.create(Paper(id="b", inner=Inner(done=False, size=Size.LARGE, rank=Rank.FIRST)))
    assert ids(papers, Paper.inner.done == True) == ["a"]  # noqa: E712
    assert ids(papers, Paper.inner.size.oneof([Size.LARGE])) == ["b"]
    assert ids(papers, Paper.inner.rank == Rank.TENTH) == ["a"]


def ids(papers: Store[Paper], where: Any) -> list[str]:
    return [one.id for one in papers.search(where, order="id", limit=100)]


def test_cases_fold_as_in_python(papers: Store[Paper]) -> None:
    texts = [
        "straße",
        "STRASSE",
        "ﬁn",
        "FIN",
        "İstanbul",
        "ISTANBUL",
        "K",
        "ΣΑΣ",
        "ŉ",
        "\0ß\1",
        "ascii ONLY",
        "",
        "ẞ\2",
    ]
    for number, text in enumerate(texts):
        papers.create(Paper(id=f"{number:02}", text=text, inner=Inner(text=text)))
    words = [*texts, "ss", "s", "i", "i\u0307", "k", "σας", "n", "\u02bc", "fi", "f", "only", "\1", "\2", "sse", "x"]
    for word in words:
        wanted = [f"{number:02}" for number, text in enumerate(texts) if word.casefold() in text.casefold()]
        assert ids(papers, Paper.text.icontains(word)) == wanted, word
        assert ids(papers, Paper.inner.text.icontains(word)) == wanted, word


def test_nul_characters_are_found_sorted_and_kept(papers: Store[Paper]) -> None:
    texts = ["", "\0", "\0\0", "\0\1", "\1", "\1\0", "\2", "\3", "\4", "a", "a\0", "a\0b", "a\1", "ab"]
    for text in reversed(texts):
        papers.create(Paper(id=f"key {text}", text=text, tags=[text], extra={text: text, "\\u0000": "\\u0000"}))
    found = papers.search(order="text", limit=100).items
    assert [one.text for one in found] == texts
    assert [one.extra for one in found] == [{text: text, "\\u0000": "\\u0000"} for text in texts]
    for part in texts:
        for operator, holds in (
            ("contains", part.__class__.__contains__),
            ("startswith", str.startswith),
            ("endswith", str.endswith),
        ):
            wanted = [text for text in texts if holds(text, part)]
            got = papers.search(getattr(Paper.text, operator)(part), order="text", limit=100).items
            assert [one.text for one in got] == wanted, (operator, part)
        assert papers.read(f"key {part}").tags == [part]
        assert papers.update(f"key {part}", {"tags": append("\0", part)}).tags == [part, "\0", part]


def test_the_least_and_greatest_uuid_which_the_server_does_not_know(papers: Store[Paper]) -> None:
    refs = [uuid4() for _ in range(5)]
    for number, ref in enumerate(refs):
        papers.create(Paper(id=str(number), ref=ref))
    papers.create(Paper(id="null"))
    [group] = papers.aggregate(Paper.ref.min(), Paper.ref.max())
    assert group.values == (min(refs), max(refs))
    [group] = papers.aggregate(Paper.ref.min(), Paper.ref.max(), where=Paper.id == "null")
    assert group.values == (None, None)


def test_what_is_stored_is_plain_to_other_clients(app: App) -> None:
    app.store(Paper).create(Paper(id="a", number=1, ref=UUID(int=5), blob=b"\0", tags=["x"], inner=Inner(count=3)))
    with raw(app) as connection:
        row = connection.execute(
            """SELECT number, ref, blob, tags::json ->> 0, "inner"::json -> 'count' FROM paper"""
        ).fetchone()
        kinds = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'ticket'::regclass AND attnum > 0"
        ).fetchall()
    assert row == (1, UUID(int=5), b"\0", "x", 3)
    assert kinds == [("id", "uuid"), ("number", "bigint")]


def test_apps_that_share_a_database_have_a_schema_each(postgres: str, schema: str) -> None:
    apps = [App("papers", items=[Paper], url=f"{schema}-{name}") for name in ('one\'s "own"', "other")]
    for app in apps:
        with pytest.raises(BackendUnavailable, match="prepare"):
            app.store(Paper).count()
        app.prepare()
        app.prepare()
        app.store(Paper).create(Paper(id=app.url))
    assert [[one.id for one in app.store(Paper).search()] for app in apps] == [[app.url] for app in apps]
    for app in apps:
        app.close()


def test_many_prepare_at_once(schema: str) -> None:
    gate = threading.Barrier(THREADS)

    def work(_: int) -> None:
        app = App("papers", items=[Paper, Ticket], url=schema)
        gate.wait()
        app.prepare()
        app.close()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))


def test_a_table_that_lacks_an_attribute_is_told_by_name(app: App) -> None:
    with raw(app) as connection:
        connection.execute("ALTER TABLE paper DROP COLUMN tags, DROP COLUMN extra")
    with pytest.raises(BackendUnavailable, match="lacks: tags, extra"):
        app.prepare()
    with pytest.raises(BackendUnavailable, match="lacks a column"):
        app.store(Paper).read("a")


def test_a_column_that_changes_its_type_beneath_a_prepared_statement(app: App) -> None:
    papers = app.store(Paper)
    paper = papers.create(Paper(id="a", number=3))
    assert papers.read("a") == paper
    with raw(app) as connection:
        connection.execute("ALTER TABLE paper ALTER COLUMN number TYPE numeric")
    assert papers.read("a").id == "a"


def test_names_longer_than_the_server_keeps_do_not_become_one(schema: str) -> None:
    @stored(
        indexes=[
            Index("the_first_of_the_attributes_with_a_name", "the_second_of_the_attributes_with_a_name"),
            Index("the_first_of_the_attributes_with_a_name", "the_second_of_the_attributes_with_a_long_name"),
            Unique("the_first_of_the_attributes_with_a_name", "the_second_of_the_attributes_with_a_long_name"),
        ]
    )
    class Long:
        id: UUID
        the_first_of_the_attributes_with_a_name: int = 0
        the_second_of_the_attributes_with_a_name: int = 0
        the_second_of_the_attributes_with_a_long_name: int = 0

    app = App("long", items=[Long], url=schema)
    app.prepare()
    with raw(app) as connection:
        found = connection.execute("SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema()").fetchone()
    assert found == (4,)
    app.store(Long).create(Long())
    with pytest.raises(Conflict) as taken:
        app.store(Long).create(Long())
    assert taken.value.details["attributes"][1] == "the_second_of_the_attributes_with_a_long_name"
    app.close()


def test_a_key_too_long_for_an_index_is_invalid_input(papers: Store[Paper]) -> None:
    from random import Random

    long = "".join(map(chr, Random(1).choices(range(0x4E00, 0x9FFF), k=3000)))  # so that it cannot be compressed
    for write in (
        lambda: papers.create(Paper(id=long)),
        lambda: papers.edit_batch([Create(Paper(id="x")), Create(Paper(id=long))]),
    ):
        with pytest.raises(InvalidInput, match="2,700 bytes"):
            write()
    assert papers.read(long) is None
    assert papers.count() == 0


@pytest.mark.parametrize(
    "url",
    ["postgresql://h/d?pool=0", "postgresql://h/d?pool=x", "postgresql://h/d?colour=red", "postgresql://[::1/d"],
)
def test_urls_that_mean_nothing(url: str) -> None:
    with pytest.raises(InvalidDeclaration):
        App("papers", items=[Paper], url=url).store(Paper).backend  # noqa: B018
