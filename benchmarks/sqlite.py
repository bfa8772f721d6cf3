"""CPU of a verb on a SQLite file: persisty against SQLAlchemy Core and ORM, with the same durability."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, Integer, String, create_engine, event, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from examples.messenger.app import Message, app
from persisty import Create

from .measure import Row, cpu, row

TARGET = 0.6
CALLS = {"create": 300, "read": 500, "update": 300, "search": 100}
AUTHOR = "6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01"
ITEMS, PAGE = 500, 25


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    text: Mapped[str] = mapped_column(String)
    author_id: Mapped[str] = mapped_column(String, index=True)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[str] = mapped_column(String)
    updated_at: Mapped[str] = mapped_column(String)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        subjects = {
            "persisty": _persisty(Path(folder) / "persisty.db"),
            "SQLAlchemy Core": _core(_engine(Path(folder) / "core.db")),
            "SQLAlchemy ORM": _orm(_engine(Path(folder) / "orm.db")),
        }
        for verb, calls in CALLS.items():
            found = cpu({name: verbs[verb] for name, verbs in subjects.items()}, calls)
            for peer in list(subjects)[1:]:
                yield row(f"SQLite {verb}, CPU", peer, found["persisty"], found[peer], most=TARGET)
        app.close()


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _persisty(file: Path) -> dict[str, Callable[[], object]]:
    app.use(f"sqlite:///{file}")
    store = app.store(Message)
    author = UUID(AUTHOR)
    for _ in range(ITEMS // 100):
        store.edit_batch([Create(Message(text=f"note {number}", author_id=author)) for number in range(100)])
    key = str(store.search(limit=1).items[0].id)
    return {
        "create": lambda: store.create(Message(text="hello", author_id=uuid4())),
        "read": lambda: store.read(key),
        "update": lambda: store.update(key, {"text": "new"}),
        "search": lambda: store.search(Message.author_id == author, order=Message.created_at.desc(), limit=PAGE),
    }


def _engine(file: Path) -> Engine:
    engine = create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX by_author ON note (author_id, created_at)")
        connection.execute(insert(Note), [_values(f"note {number}", AUTHOR) for number in range(ITEMS)])
    return engine


def _values(text: str, author: str) -> dict[str, Any]:
    now = _now()
    return {"id": str(uuid4()), "text": text, "author_id": author, "version": 1, "created_at": now, "updated_at": now}


def _core(engine: Engine) -> dict[str, Callable[[], object]]:
    table: Any = Note.__table__
    with engine.connect() as connection:
        key = connection.execute(select(table.c.id)).scalars().first()

    def create() -> None:
        with engine.begin() as connection:
            connection.execute(insert(table).values(_values("hello", str(uuid4()))))

    def read() -> object:
        with engine.connect() as connection:
            return dict(connection.execute(select(table).where(table.c.id == key)).mappings().one())

    def change() -> object:
        with engine.begin() as connection:
            changed = update(table).where(table.c.id == key).returning(*table.c)
            values = {"text": "new", "updated_at": _now(), "version": table.c.version + 1}
            return dict(connection.execute(changed.values(values)).mappings().one())

    def search() -> object:
        page = select(table).where(table.c.author_id == AUTHOR).order_by(table.c.created_at.desc(), table.c.id)
        with engine.connect() as connection:
            return [dict(found) for found in connection.execute(page.limit(PAGE + 1)).mappings()]

    return {"create": create, "read": read, "update": change, "search": search}


def _orm(engine: Engine) -> dict[str, Callable[[], object]]:
    with Session(engine) as session:
        key = session.scalars(select(Note.id)).first()

    def create() -> None:
        with Session(engine) as session:
            session.add(Note(**_values("hello", str(uuid4()))))
            session.commit()

    def read() -> object:
        with Session(engine) as session:
            return session.get(Note, key)

    def change() -> object:
        with Session(engine, expire_on_commit=False) as session:
            note = session.get_one(Note, key)
            note.text, note.updated_at, note.version = f"new {note.version}", _now(), note.version + 1
            session.commit()
            return note

    def search() -> object:
        page = select(Note).where(Note.author_id == AUTHOR).order_by(Note.created_at.desc(), Note.id).limit(PAGE + 1)
        with Session(engine) as session:
            return session.scalars(page).all()

    return {"create": create, "read": read, "update": change, "search": search}
