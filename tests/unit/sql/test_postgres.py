"""PostgreSQL's stored values, schemas and names."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec import Struct

from persisty import (
    App,
    BackendUnavailable,
    Conflict,
    Create,
    Index,
    InvalidDeclaration,
    InvalidInput,
    PersistyError,
    SchemaMismatch,
    Store,
    Unique,
    UnreadableItem,
    Update,
    append,
    meta_of,
    stored,
)
from persisty.backends.sql import reads
from persisty.backends.sql.postgres.session import Session
from persisty.backends.sql.row_sizes import PageRows, RowSizes
from persisty.errors import AnswerTooLarge
from persisty.model.expressions import Compare
from persisty.store.backend import Query
from persisty.store.store import context_of

from .papers import Inner, Paper, Rank, Size, Ticket, ids, raw

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
        expected = [f"{number:02}" for number, text in enumerate(texts) if word.casefold() in text.casefold()]
        assert ids(papers, Paper.text.icontains(word)) == expected, word
        assert ids(papers, Paper.inner.text.icontains(word)) == expected, word


def test_nul_characters_are_found_sorted_and_kept(papers: Store[Paper]) -> None:
    texts = ["", "\0", "\0\0", "\0\1", "\1", "\1\0", "\2", "\3", "\4", "a", "a\0", "a\0b", "a\1", "ab"]
    for text in reversed(texts):
        papers.create(Paper(id=f"key {text}", text=text, tags=[text], extra={text: text, "\\u0000": "\\u0000"}))
    found = papers.search(order="text", limit=100).items
    assert [one.text for one in found] == texts
    assert [one.extra for one in found] == [{text: text, "\\u0000": "\\u0000"} for text in texts]
    for part in texts:
        for operator, matches in (
            ("contains", part.__class__.__contains__),
            ("startswith", str.startswith),
            ("endswith", str.endswith),
        ):
            expected = [text for text in texts if matches(text, part)]
            got = papers.search(getattr(Paper.text, operator)(part), order="text", limit=100).items
            assert [one.text for one in got] == expected, (operator, part)
        assert papers.read(f"key {part}").tags == [part]
        assert papers.update(f"key {part}", {"tags": append("\0", part)}).tags == [part, "\0", part]


def test_the_least_and_greatest_uuid_without_server_functions(papers: Store[Paper]) -> None:
    refs = [uuid4() for _ in range(5)]
    for number, ref in enumerate(refs):
        papers.create(Paper(id=str(number), ref=ref))
    papers.create(Paper(id="null"))
    [group] = papers.aggregate(Paper.ref.min(), Paper.ref.max())
    assert group.values == (min(refs), max(refs))
    [group] = papers.aggregate(Paper.ref.min(), Paper.ref.max(), where=Paper.id == "null")
    assert group.values == (None, None)


def test_other_clients_can_read_the_stored_values(app: App) -> None:
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


def test_apps_that_share_a_database_have_a_schema_each(postgres_url: str, schema: str) -> None:
    apps = [App("papers", items=[Paper], url=f"{schema}-{name}") for name in ('one\'s "own"', "other")]
    for app in apps:
        with pytest.raises(SchemaMismatch, match=r"/paper: The table does not exist\. `App\.prepare`"):
            app.store(Paper).count()
        app.prepare()
        app.prepare()
        app.store(Paper).create(Paper(id=app.url))
    assert [[one.id for one in app.store(Paper).search()] for app in apps] == [[app.url] for app in apps]
    for app in apps:
        app.close()


def test_many_prepare_at_once(schema: str) -> None:
    gate = threading.Barrier(6)

    def work(_: int) -> None:
        app = App("papers", items=[Paper, Ticket], url=schema)
        gate.wait()
        app.prepare()
        app.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))


def test_a_table_that_lacks_an_attribute_is_an_error_with_its_name(app: App) -> None:
    with raw(app) as connection:
        connection.execute("ALTER TABLE paper DROP COLUMN tags, DROP COLUMN extra")
    with pytest.raises(SchemaMismatch, match="The table lacks the column") as caught:
        app.prepare()
    assert [fault.path for fault in caught.value.faults] == ["/paper/tags", "/paper/extra"]
    with pytest.raises(SchemaMismatch, match=r"/paper/(tags|extra): The table has no such column"):
        app.store(Paper).read("a")


class Stay(Struct):
    since: datetime


@stored
class Visit:
    id: str
    stay: Stay


def test_a_nested_datetime_without_a_zone_is_utc_in_a_session_of_any_zone(schema: str) -> None:
    with closing(App("visits", items=[Visit], url=schema)) as app:
        app.prepare()
        visits, noon = app.store(Visit), datetime(2026, 1, 1, 12, tzinfo=UTC)
        visits.create(Visit(id="open", stay=Stay(noon.replace(tzinfo=None))))
        visits.create(Visit(id="east", stay=Stay(noon.astimezone(timezone(timedelta(hours=9))))))
        visits.create(Visit(id="west", stay=Stay(noon.astimezone(timezone(timedelta(hours=-5))))))
        with app.engine._postgres.transaction():  # type: ignore[attr-defined]
            app.engine._postgres.rows("SELECT set_config('TimeZone', 'Asia/Kathmandu', false)")  # type: ignore[attr-defined]
            found = app.engine.open(meta_of(Visit)).count(Compare("stay.since", "eq", noon))
    assert found == 3


def test_a_column_that_changes_its_type_beneath_a_prepared_statement(app: App) -> None:
    papers = app.store(Paper)
    paper = papers.create(Paper(id="a", number=3))
    assert papers.read("a") == paper
    with raw(app) as connection:
        connection.execute("ALTER TABLE paper ALTER COLUMN number TYPE integer")
    assert papers.read("a") == paper
    with raw(app) as connection:
        connection.execute("ALTER TABLE paper ALTER COLUMN number TYPE numeric")
    with pytest.raises(UnreadableItem, match="paper a cannot be read: number"):  # and not Decimal(3) or "3" for an int
        papers.read("a")


def test_names_longer_than_the_server_allows_stay_distinct(schema: str) -> None:
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
        found = connection.execute(
            "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'long'"
        ).fetchone()
    assert found == (4,)
    app.store(Long).create(Long())
    with pytest.raises(Conflict) as taken:
        app.store(Long).create(Long())
    assert taken.value.details["attributes"][1] == "the_second_of_the_attributes_with_a_long_name"
    app.close()


def test_a_key_too_long_for_an_index_is_invalid_input(papers: Store[Paper]) -> None:
    long = "".join(map(chr, Random(1).choices(range(0x4E00, 0x9FFF), k=3000)))  # so that it cannot be compressed
    with pytest.raises(InvalidInput) as refused:
        papers.create(Paper(id="x", email=long))
    assert "2,700 bytes" in refused.value.faults[0].message
    first, last = Create(Paper(id="x")), Create(Paper(id="z", email=long))
    for batch, atomic, guilty in (
        ([first, Update("x", {"email": long}), last], False, ["1", "2"]),
        ([first, last, Update("y", {})], True, ["1"]),
    ):
        with pytest.raises(InvalidInput) as refused:
            papers.edit_batch(batch, atomic=atomic)
        assert [fault.path.split("/")[2] for fault in refused.value.faults] == guilty
    assert papers.read("z") is None
    assert papers.count() == 0


def test_within_a_transaction_a_value_too_long_for_an_index_is_reported_at_its_place_of_the_batch(schema: str) -> None:
    @stored(indexes=[Index("text")])
    class Indexed:
        id: str
        text: str = ""

    long = "".join(map(chr, Random(1).choices(range(0x4E00, 0x9FFF), k=3000)))
    app = App("indexed", items=[Indexed], url=schema)
    app.prepare()
    indexed = app.store(Indexed)
    batch = [Create(Indexed(id="b", text=long)), Create(Indexed(id="a"))]  # "a" is locked first
    with pytest.raises(InvalidInput) as refused, app.transaction():
        indexed.edit_batch(batch)
    assert [fault.path.split("/")[2] for fault in refused.value.faults] == ["0"]
    app.close()


@pytest.mark.parametrize(
    "url",
    ["postgresql://h/d?pool=0", "postgresql://h/d?pool=x", "postgresql://h/d?colour=red", "postgresql://[::1/d"],
)
def test_invalid_urls(url: str) -> None:
    with pytest.raises(InvalidDeclaration):
        context_of(App("papers", items=[Paper], url=url).store(Paper)).backend  # noqa: B018


def test_a_role_without_create_serves_tables_that_exist_and_is_refused_where_one_is_missing(
    app: App, papers: Store[Paper], schema: str, postgres_url: str
) -> None:
    name = schema.rpartition("schema=")[2].partition("&")[0]
    role = f"serves_{name}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{role}" LOGIN')
        connection.execute(f'GRANT USAGE ON SCHEMA "{name}" TO "{role}"')
        connection.execute(f'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "{name}" TO "{role}"')
    try:
        serving = App("papers", items=[Paper, Ticket], url=re.sub("user=[^&]*", f"user={role}", schema))
        serving.prepare()
        serving.verify()
        serving.store(Paper).create(Paper(id="by the role"))
        serving.close()
        assert papers.count() == 1
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'DROP TABLE "{name}".ticket CASCADE')
        with pytest.raises(BackendUnavailable):
            serving.prepare()
        serving.close()
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'DROP OWNED BY "{role}"')
            connection.execute(f'DROP ROLE "{role}"')


LARGE = "x" * 20_000


def test_a_page_of_large_items_is_not_loaded_as_a_whole(
    app: App, papers: Store[Paper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the rows is dropped, or the connection is replaced, so later statements have their own answers."""
    for start in range(0, 400, 100):
        papers.edit_batch([Create(Paper(id=f"{n:03}", text=LARGE)) for n in range(start, start + 100)])
    loaded: list[int] = []
    chunks = Session.chunks

    def counting(session: Session, statement: Any, size: int) -> Any:
        for rows in chunks(session, statement, size):
            loaded.append(len(rows))
            yield rows

    monkeypatch.setattr(Session, "chunks", counting)
    backend, total = context_of(papers).backend, context_of(papers).preparation.order("id")
    for asked in range(2):  # the second statement is prepared
        found, after, pages = [], None, 0
        while pages == 0 or after is not None:
            page = backend.query(Query(Paper.topic == "a", total, after, 390, max_bytes=1_000_000))
            found, after, pages = [*found, *(one.id for one in page.items)], page.position, pages + 1
            assert papers.read("007").text == LARGE
        assert found == [f"{n:03}" for n in range(400)]
        assert pages == 8, asked
    assert sum(loaded) < 2 * 400 + 16 * 7 * 32 + 4 * 128
    assert max(loaded[4:]) <= 32
    with app.transaction():
        page = backend.query(Query(Paper.topic == "a", total, None, 390, max_bytes=1_000_000))
        assert len(page.items) == 50
        assert papers.update("000", {"number": 5}).number == 5
    assert papers.read("000").number == 5


def test_an_error_within_the_rows_of_a_page_is_raised_and_the_connection_stays_usable(app: App) -> None:
    connection = context_of(app.store(Paper)).backend._connection
    text = "SELECT 1000 / (500 - number) FROM generate_series(1, $1::int) AS number"
    for _ in range(2):
        with pytest.raises(InvalidInput):  # a division by zero, after 499 rows
            connection.rows(text, (600,), PageRows(RowSizes(app.store(Paper).meta, ()), 1))
        assert len(connection.rows(text, (499,), PageRows(RowSizes(app.store(Paper).meta, ()), 1))) == 499
    with pytest.raises(PersistyError):
        connection.rows("SELECT nothing FROM nowhere", (), PageRows(RowSizes(app.store(Paper).meta, ()), 1))
    assert connection.rows("SELECT 1") == [(1,)]


def test_a_batch_of_keys_is_one_call_of_bounded_size(papers: Store[Paper], monkeypatch: pytest.MonkeyPatch) -> None:
    papers.edit_batch([Create(Paper(id=f"{n:03}", text=LARGE)) for n in range(100)])
    keys = [f"{n:03}" for n in range(100)]
    assert len(papers.read_batch(keys)) == 100
    monkeypatch.setattr(reads, "MAX_BATCH_BYTES", 1_000_000)
    with pytest.raises(AnswerTooLarge) as raised:
        papers.read_batch(keys)
    assert raised.value.details == {"limit": 1_000_000}
    assert len(papers.read_batch(keys[:25])) == 25
    assert papers.read("099").text == LARGE
