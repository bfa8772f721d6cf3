"""PostgreSQL behind a pooler in transaction mode: what one client prepares or sets never reaches another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from persisty import SEQUENCE, App, Attr, BelongsTo, Conflict, Create, Delete, Store, Update, add, link, stored
from persisty.backends.sql.postgres import session

from ... import pgbouncer as pooling
from ...postgres import schema_in

pytestmark = pytest.mark.skipif(pooling.PROGRAM is None, reason="no PgBouncer: apt-get install pgbouncer")
PREPARES = pooling.version() >= pooling.PREPARES
NEEDED = pytest.mark.skipif(not PREPARES, reason="max_prepared_statements needs PgBouncer 1.21")
WAYS = [
    pytest.param(({"max_prepared_statements": 0} if PREPARES else {}, ""), id="plain"),
    pytest.param(({"max_prepared_statements": 50}, ""), marks=NEEDED, id="prepares"),
    pytest.param(({"max_prepared_statements": 50}, "&prepare=true"), marks=NEEDED, id="prepares-and-is-used"),
]
"""Settings of PgBouncer, and options of the URL."""
CLIENTS, ROUNDS = 6, 15


@stored
class Shelf:
    id: UUID
    label: str


@stored
class Book:
    id: UUID
    title: str
    shelf_id: UUID
    number: int = Attr(generator=SEQUENCE)
    read: int = 0
    at: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    shelf: BelongsTo[Shelf] = link(by="shelf_id", on_delete="cascade")


@pytest.fixture(scope="module", params=WAYS)
def pooler(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    settings, options = request.param
    with pooling.pgbouncer(postgres_url, **settings) as url:
        yield url + options


def name_of_a_schema(postgres_url: str) -> str:
    return schema_in(postgres_url).rpartition("schema=")[2]


def app_at(pooler: str, schema: str) -> App:
    return App("library", items=[Shelf, Book], url=f"{pooler}&schema={schema}")


@pytest.fixture
def app(pooler: str, postgres_url: str) -> Iterator[App]:
    app = app_at(pooler, name_of_a_schema(postgres_url))
    app.prepare()
    yield app
    app.close()


def write_and_read(app: App, label: str) -> list[str]:
    """Write as one client, and return the titles of the stored books."""
    shelves, books = app.store(Shelf), app.store(Book)
    shelf = shelves.create(Shelf(label=label))
    for number in range(ROUNDS):
        book = books.create(Book(title=f"{label} {number}", shelf_id=shelf.id))
        assert books.read(book.id) == book
        assert books.update(book.id, {"read": add(1)}, when=Book.title == book.title).read == 1
        with app.transaction():
            books.update(book.id, {"read": add(1)})
            assert books.read(book.id).read == 2
        extra = Create(Book(title=f"{label} {number}+", shelf_id=shelf.id))
        done = app.edit_batch([Update(book.id, {"read": 5}, store=Book), extra], atomic=True)
        assert [one.item.read for one in done] == [5, 0]
        again = books.edit_batch([Delete(done[1].item.id), Create(done[1].item)])
        assert [one.error for one in again] == [None, None]
        found = books.search(Book.shelf.label == label, order="number", limit=3)
        assert all(one.title.startswith(f"{label} ") for one in found)
    return [f"{label} {number}{end}" for number in range(ROUNDS) for end in ("", "+")]


def test_several_clients_in_two_schemas_find_their_own_items_only(pooler: str, postgres_url: str) -> None:
    schemas = [name_of_a_schema(postgres_url) for _ in range(2)]
    apps = [app_at(pooler, schemas[client % 2]) for client in range(CLIENTS)]
    for app in apps:
        app.prepare()
    with ThreadPoolExecutor(CLIENTS) as threads:
        remaining = list(threads.map(lambda client: write_and_read(apps[client], f"client{client}"), range(CLIENTS)))
    for client, app in enumerate(apps):
        books: Store[Book] = app.store(Book)
        expected = sorted(title for one in range(client % 2, CLIENTS, 2) for title in remaining[one])
        assert sorted(one.title for one in books.search_all()) == expected
        numbers = {one.number for one in books.search_all()}
        assert len(numbers) == len(expected)  # a book that is created again with its number leaves a gap
        app.close()


def test_a_taken_key_is_a_conflict_and_an_index_is_explained(app: App) -> None:
    shelf = app.store(Shelf).create(Shelf(label="a"))
    with pytest.raises(Conflict):
        app.store(Shelf).create(shelf)
    assert app.store(Book).explain(Book.number == 1).engine == "postgresql"


def test_settings_of_other_clients_change_no_value_and_no_schema(app: App, pooler: str) -> None:
    """PgBouncer's transaction mode gives the next client a session with the `search_path` of the last."""
    shelf = app.store(Shelf).create(Shelf(label="a"))
    at = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
    book = app.store(Book).create(Book(title="a", shelf_id=shelf.id, at=at))
    url = pooler.replace("&prepare=true", "")
    for _ in range(4):
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            other.execute("SET search_path = pg_catalog")
            other.execute("SET TimeZone = 'Asia/Kathmandu'")
    for _ in range(4):
        read: Any = app.store(Book).read(book.id)
        assert (read, read.at.utcoffset()) == (book, at.utcoffset())
    assert app.store(Book).count(Book.at == at) == 1
    app.prepare()


def test_persisty_leaves_no_settings_to_other_clients(app: App, pooler: str) -> None:
    app.store(Shelf).count()
    found = set()
    for _ in range(6):
        with psycopg.connect(pooler.replace("&prepare=true", ""), autocommit=True, prepare_threshold=None) as other:
            found |= set(other.execute("SELECT current_setting('search_path'), current_setting('TimeZone')").fetchall())
            assert other.execute(
                "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'persisty%'"
            ).fetchone() == (0,)
    assert not any("library" in path or "persisty" in path for path, _ in found)


def test_more_query_shapes_than_a_session_may_prepare(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PREPARED", 20)
    books = app.store(Book)
    shapes = [Book.read.oneof(range(1, 1 + size)) for size in range(1, 30)]
    for shape in shapes:
        assert books.count(shape) == 0
    with app.transaction():
        for shape in shapes:
            assert books.count(shape) == 0
