"""Items that were stored before an attribute was declared have its declared default: in DynamoDB Local and in moto, as in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import pytest

from persisty import UPDATED, VERSION, Attr, Index, StoreMeta, meta_of, stored
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.engine import DynamoDbEngine, connect
from persisty.backends.memory import MemoryEngine
from persisty.model.expressions import Filter
from persisty.model.generators import add, append
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Backend, BulkWrite, Delete, Outcome, Patch, Put, Query

from .parcels import Color, walk


@stored(name="post")
class Before:
    id: str
    text: str


@stored(name="post")
class Post:
    id: str
    text: str
    likes: int = 0
    rank: int = 3
    title: str = ""
    color: Color = Color.GREEN
    done: bool = False
    price: Decimal = Decimal("1.5")
    score: int | None = 7
    words: list[str] | None = Attr(factory=list)
    note: str | None = "none"
    plain: str | None = None
    tags: list[str] = Attr(factory=list)
    version: int = Attr(generator=VERSION)
    changed_at: datetime | None = Attr(generator=UPDATED)


@stored(name="post", indexes=[Index("color", "likes"), Index("score")])
class Indexed:
    id: str
    text: str
    likes: int = 0
    color: Color = Color.GREEN
    score: int | None = 7


P: Any = Post
X: Any = Indexed
BEFORE, POST, INDEXED = meta_of(Before), meta_of(Post), meta_of(Indexed)
OLD = [Before(id=f"old{number}", text="ab"[number % 2]) for number in range(4)]
AS_DECLARED: dict[str, Any] = {"version": 1, "changed_at": None}
NEW = [
    Post(id="a", text="a", likes=0, score=None, note=None, words=None, **AS_DECLARED),
    Post(id="b", text="b", likes=5, rank=1, title="t", color=Color.RED, done=True, score=2, **{**AS_DECLARED, "version": 4}),
    Post(id="c", text="c", likes=-1, rank=9, price=Decimal(3), note="new", tags=["x"], **AS_DECLARED),
]  # fmt: skip
STAGES = count()


class Pair(NamedTuple):
    """Return the same items in DynamoDB, some of them stored with the previous declaration, and in memory."""

    engine: DynamoDbEngine
    dynamodb: Backend[Any]
    memory: Backend[Any]


def read_as(meta: StoreMeta[Any], item: Before) -> Any:
    given = {"version": 1, "changed_at": None} if meta is POST else {}
    return meta.item(id=item.id, text=item.text, **given)


@pytest.fixture(params=["moto", "local"])
def engine(request: pytest.FixtureRequest) -> Iterator[DynamoDbEngine]:
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    more = "partiql=0" if request.param == "moto" else "index_attributes=2"
    found = connect(f"dynamodb://us-east-1?endpoint={endpoint}&{more}", app="before", stage=f"s{next(STAGES)}")
    found.prepare([BEFORE])
    found.open(BEFORE).write([Put(item) for item in OLD], atomic=False)
    yield found
    found.close()


@pytest.fixture
def pair(engine: DynamoDbEngine) -> Pair:
    engine.prepare([POST])
    found = Pair(engine, engine.open(POST), MemoryEngine().open(POST))
    found.dynamodb.write([Put(item) for item in NEW], atomic=False)
    found.memory.write([Put(item) for item in (*NEW, *(read_as(POST, item) for item in OLD))], atomic=False)
    return found


def where(given: Any) -> Filter:
    return resolve_filter(POST, given)


def keys(backend: Backend[Any], given: Any) -> list[str]:
    return sorted(item.id for item in walk(backend, where(given), (), 2, allow_scan=True))


FILTERS: list[Any] = [
    P.likes == 0, P.likes != 0, P.likes != 1, P.likes < 1, P.likes <= 0, P.likes > 0, P.likes >= 0, P.likes > -1,
    P.likes.oneof([0, 5]), P.likes.oneof([5]), ~P.likes.oneof([0, 1]), ~P.likes.oneof([5]),
    P.title == "", P.title != "", P.title.startswith(""), P.title.contains(""), ~P.title.startswith("t"), ~P.title.contains(""),
    P.color == Color.GREEN, P.color != Color.GREEN, P.done == False, P.done == True, P.price < 2, P.price >= 2,  # noqa: E712
    P.score == 7, P.score != 7, P.score != 2, P.score.is_null(), P.score.is_null(False), P.score > 1, P.score < 5,
    ~(P.score > 5), ~P.score.oneof([7]), ~P.score.oneof([2]), P.note == "none", P.note != "none", P.note.is_null(),
    P.note.startswith("n"), P.note.startswith(""), P.note.contains("o"), ~P.note.contains("o"), ~P.note.startswith("new"),
    P.note.endswith("e"), P.plain.is_null(), P.plain.is_null(False), P.version == 1, P.version != 1, P.version > 1,
    P.words.is_null(), P.words.is_null(False), P.changed_at.is_null(),
    (P.likes == 0) & (P.score == 7) | (P.note == "new"), (P.likes == 0) & ~((P.score == 7) & (P.rank == 3)),
]  # fmt: skip


def test_items_read_with_the_declared_defaults(pair: Pair) -> None:
    ids = [(item.id,) for item in (*OLD, *NEW)]
    assert pair.dynamodb.read(ids) == pair.memory.read(ids)
    [old] = pair.dynamodb.read([("old0",)])
    assert (old.likes, old.title, old.color, old.tags, old.version) == (0, "", Color.GREEN, [], 1)
    assert (old.score, old.note, old.words, old.plain, old.changed_at) == (7, "none", [], None, None)
    other, _ = pair.dynamodb.read([("old1",), ("old0",)])
    assert other.tags is not old.tags
    page = pair.dynamodb.query(Query(where(P.id == "old0"), (), None, 5, select=("id", "likes", "score")))
    assert [(item.likes, item.score) for item in page.items] == [(0, 7)]


def test_filters_counts_and_orders_are_those_of_memory(pair: Pair) -> None:
    for given in FILTERS:
        assert keys(pair.dynamodb, given) == keys(pair.memory, given), given
        assert pair.dynamodb.count(where(given), allow_scan=True) == pair.memory.count(where(given)), given
    for name in ("likes", "rank", "score", "note", "version", "price"):
        for order in (name, f"-{name}"):
            resolved = resolve_order(POST, order)
            found = [
                [one.id for one in walk(backend, where(None), resolved, 2)] for backend in (pair.dynamodb, pair.memory)
            ]
            assert found[0] == found[1], order


CHANGES: list[dict[str, Any]] = [
    {"likes": add(2), "rank": add(-1), "version": add(1)},
    {"tags": append("y"), "words": append("w")},
    {"score": add(3)},
    {"score": None, "note": None},
    {"score": add(1), "words": append("v"), "text": "z"},
    {"note": "again", "plain": "p"},
    {"plain": None},
]


@pytest.mark.parametrize("way", ["alone", "in a batch", "atomic"])
def test_changes_start_from_the_defaults(pair: Pair, way: str) -> None:
    ids = [(item.id,) for item in (*OLD, *NEW)]
    for changes in CHANGES:
        for backend in pair[1:]:
            patches = [Patch(key, changes) for key in ids]
            batches = [[one] for one in patches] if way == "alone" else [patches]
            for some in batches:
                results = backend.write(some, atomic=way == "atomic")
                assert {one.outcome for one in results} == {Outcome.DONE}, changes
        assert pair.dynamodb.read(ids) == pair.memory.read(ids), changes


def test_conditions_of_writes_are_about_the_defaults(pair: Pair) -> None:
    for given in FILTERS:
        for key in ("old0", "a", "b", "c"):
            # alone, then twice in a batch, then in a transaction
            for batch in (1, 2):
                for atomic in (False, True):
                    writes = [Patch((key,), {"text": "x"}, where(given)), Patch(("old1",), {"text": "y"})][:batch]
                    outcomes = [[one.outcome for one in backend.write(writes, atomic=atomic)] for backend in pair[1:]]
                    assert outcomes[0] == outcomes[1], (given, key, batch, atomic)
    fresh = Patch(("old2",), {"version": add(1)}, where(P.version == 1))
    first, second = pair.dynamodb.write([fresh], atomic=False), pair.dynamodb.write([fresh], atomic=False)
    assert (first[0].outcome, first[0].item.version) == (Outcome.DONE, 2)
    assert (second[0].outcome, second[0].item.version) == (Outcome.FAILED, 2)
    assert pair.dynamodb.write([Delete(("old3",), where(P.likes == 0))], atomic=False)[0].outcome is Outcome.DONE


def test_bulk_writes_find_old_items(pair: Pair) -> None:
    changed = pair.dynamodb.write_all(
        BulkWrite({"likes": add(1)}, where((P.likes == 0) & (P.note == "none")), None, None)
    )
    assert changed.changed == 4
    assert keys(pair.dynamodb, P.likes == 1) == [item.id for item in OLD]


def test_an_added_index_has_the_earlier_items(engine: DynamoDbEngine) -> None:
    engine.prepare([INDEXED])
    dynamodb, memory = engine.open(INDEXED), MemoryEngine().open(INDEXED)
    new = [
        Indexed(id="a", text="a", score=None),
        Indexed(id="b", text="b", likes=2),
        Indexed(id="c", text="c", color=Color.RED),
    ]
    dynamodb.write([Put(item) for item in new], atomic=False)
    memory.write([Put(item) for item in (*new, *(read_as(INDEXED, item) for item in OLD))], atomic=False)
    for given in (X.color == Color.GREEN, (X.color == Color.GREEN) & (X.likes < 1), X.score == 7, X.score.is_null()):
        where = resolve_filter(INDEXED, given)
        found = [sorted(one.id for one in walk(one, where, (), 2, allow_scan=True)) for one in (dynamodb, memory)]
        assert found[0] == found[1], given
    query = Query(resolve_filter(INDEXED, X.color == Color.GREEN), resolve_order(INDEXED, "-likes"), None, 9)
    assert dynamodb.explain(query).access == "index"
    assert dynamodb.query(query).items == memory.query(query).items


def test_an_index_can_be_added_to_items_with_null(pair: Pair) -> None:
    pair.engine.prepare([INDEXED])
    dynamodb = pair.engine.open(INDEXED)
    scores = {item.id: item.score for item in dynamodb.read([(one.id,) for one in (*OLD, *NEW)]) if item is not None}
    assert scores == {"old0": 7, "old1": 7, "old2": 7, "old3": 7, "a": None, "b": 2, "c": 7}
    [result] = dynamodb.write([Patch(("a",), {"text": "z"})], atomic=False)
    assert result.outcome is Outcome.DONE


def test_a_default_that_differs_at_each_call_is_no_value_of_an_old_item() -> None:
    @stored
    class Stamped:
        id: str
        at: str | None = Attr(factory=lambda: datetime.now(UTC).isoformat())

    assert WireCodec(meta_of(Stamped)).read({"id": {"S": "1"}}).at is None
