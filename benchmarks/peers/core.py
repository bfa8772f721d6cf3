"""SQLAlchemy Core and ORM: the measured calls, written as in its documentation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, Index, Integer, String, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

Calls = dict[str, Callable[..., object]]
BATCH = 100
INSERTS: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""Dialect → its INSERT, which knows ON CONFLICT."""


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    __table_args__ = (Index("by_author", "author_id", "created_at"),)
    id: Mapped[str] = mapped_column(String, primary_key=True)
    text: Mapped[str] = mapped_column(String)
    author_id: Mapped[str] = mapped_column(String)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[str] = mapped_column(String)
    updated_at: Mapped[str] = mapped_column(String)


def now() -> str:
    return datetime.now(UTC).isoformat()


def values(text: str, author: str) -> dict[str, Any]:
    """Return a new row."""
    moment = now()
    return {
        "id": str(uuid4()),
        "text": text,
        "author_id": author,
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }


def fill(engine: Engine, author: str, count: int) -> list[str]:
    """Insert `count` new rows. Return their keys."""
    rows = [values(f"note {number}", author) for number in range(count)]
    with engine.begin() as connection:
        connection.execute(insert(Note), rows)
    return [one["id"] for one in rows]


def core(engine: Engine, author: str) -> Calls:
    """Return the calls. `before_delete` and `before_delete_all` create the rows to delete."""
    table: Any = Note.__table__
    with engine.connect() as connection:
        stored = [dict(one) for one in connection.execute(select(table).limit(BATCH)).mappings()]
    keys = [one["id"] for one in stored]
    dialect_insert = INSERTS[engine.dialect.name]
    waiting: list[str] = []

    def create() -> None:
        with engine.begin() as connection:
            connection.execute(insert(table).values(values("hello", str(uuid4()))))

    def read() -> object:
        with engine.connect() as connection:
            return dict(connection.execute(select(table).where(table.c.id == keys[0])).mappings().one())

    def change() -> object:
        with engine.begin() as connection:
            changed = update(table).where(table.c.id == keys[0]).returning(*table.c)
            given = {"text": "new", "updated_at": now(), "version": table.c.version + 1}
            return dict(connection.execute(changed.values(given)).mappings().one())

    def remove() -> object:
        with engine.begin() as connection:
            return connection.execute(delete(table).where(table.c.id == waiting.pop())).rowcount == 1

    def search(limit: int) -> object:
        page = select(table).where(table.c.author_id == author).order_by(table.c.created_at.desc(), table.c.id)
        with engine.connect() as connection:
            return [dict(found) for found in connection.execute(page.limit(limit + 1)).mappings()]

    def read_batch() -> object:
        with engine.connect() as connection:
            found = connection.execute(select(table).where(table.c.id.in_(keys))).mappings()
            return {one["id"]: dict(one) for one in found}

    def upsert() -> None:
        """Replace rows by their keys. Returns nothing and checks nothing."""
        moment = now()
        put = dialect_insert(table)
        put = put.on_conflict_do_update(
            index_elements=["id"],
            set_={"text": put.excluded.text, "updated_at": put.excluded.updated_at, "version": table.c.version + 1},
        )
        with engine.begin() as connection:
            connection.execute(put, [{**one, "text": "new", "updated_at": moment} for one in stored])

    def update_each() -> object:
        """A statement for each row, in one transaction, because only that returns the row or tells that there is none."""
        moment, found = now(), []
        changed = update(table).where(table.c.id == bindparam("key"), table.c.version > 0).returning(*table.c)
        changed = changed.values(text="new", updated_at=moment, version=table.c.version + 1)
        with engine.begin() as connection:
            for key in keys:
                one = connection.execute(changed, {"key": key}).mappings().one_or_none()
                found.append(None if one is None else dict(one))
        return found

    def scan() -> object:
        with engine.connect() as connection:
            return sum(1 for one in connection.execute(select(table)).mappings() if dict(one))

    def update_all() -> object:
        given = {"text": "new", "updated_at": now(), "version": table.c.version + 1}
        with engine.begin() as connection:
            return connection.execute(update(table).where(table.c.author_id == author).values(given)).rowcount

    def delete_all() -> object:
        with engine.begin() as connection:
            return connection.execute(delete(table).where(table.c.author_id == author)).rowcount

    return {
        "create": create,
        "read": read,
        "update": change,
        "before_delete": lambda count: waiting.extend(fill(engine, str(uuid4()), count)),
        "delete": remove,
        "search": search,
        "read_batch": read_batch,
        "edit_batch": lambda: fill(engine, author, BATCH),
        "upsert": upsert,
        "update_each": update_each,
        "scan": scan,
        "update_all": update_all,
        "delete_all": delete_all,
    }


def orm(engine: Engine, author: str) -> Calls:
    with Session(engine) as session:
        key = session.scalars(select(Note.id)).first()

    def create() -> None:
        with Session(engine) as session:
            session.add(Note(**values("hello", str(uuid4()))))
            session.commit()

    def read() -> object:
        with Session(engine) as session:
            return session.get(Note, key)

    def change() -> object:
        with Session(engine, expire_on_commit=False) as session:
            note = session.get_one(Note, key)
            note.text, note.updated_at, note.version = f"new {note.version}", now(), note.version + 1
            session.commit()
            return note

    def search(limit: int) -> object:
        page = select(Note).where(Note.author_id == author).order_by(Note.created_at.desc(), Note.id)
        with Session(engine) as session:
            return session.scalars(page.limit(limit + 1)).all()

    return {"create": create, "read": read, "update": change, "search": search}
