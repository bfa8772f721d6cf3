"""The messages as Litestar's guides write them, with msgspec Structs and SQLAlchemy Core, called in the event loop.

Run it with `uvicorn benchmarks.peers.litestar_core:app`.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from litestar import Litestar, get, post
from litestar.exceptions import NotFoundException
from litestar.params import Parameter
from msgspec import Meta, Struct
from sqlalchemy import insert, select

from .messages_table import message, opened

engine = opened()


class MessageCreate(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    author_id: UUID


class Message(Struct):
    id: UUID
    text: str
    author_id: UUID
    withdrawn: bool
    version: int
    created_at: datetime
    updated_at: datetime


class Page(Struct):
    items: list[Message]


def of_row(row) -> Message:
    return Message(
        UUID(row.id),
        row.text,
        UUID(row.author_id),
        row.withdrawn,
        row.version,
        datetime.fromisoformat(row.created_at),
        datetime.fromisoformat(row.updated_at),
    )


@post("/api/message", sync_to_thread=False)
def create(data: MessageCreate) -> Message:
    now = datetime.now(UTC)
    made = Message(uuid4(), data.text, data.author_id, False, 1, now, now)
    values = {"id": str(made.id), "text": made.text, "author_id": str(made.author_id), "withdrawn": False, "version": 1}
    with engine.begin() as connection:
        connection.execute(insert(message).values(**values, created_at=now.isoformat(), updated_at=now.isoformat()))
    return made


@get("/api/message/{key:uuid}", sync_to_thread=False)
def read(key: UUID) -> Message:
    with engine.connect() as connection:
        row = connection.execute(select(message).where(message.c.id == str(key))).first()
    if row is None:
        raise NotFoundException()
    return of_row(row)


@get("/api/message", sync_to_thread=False)
def search(author_id: UUID, limit: Annotated[int, Parameter(ge=1, le=100)] = 25) -> Page:
    page = select(message).where(message.c.author_id == str(author_id)).order_by(message.c.created_at.desc())
    with engine.connect() as connection:
        return Page([of_row(row) for row in connection.execute(page.limit(limit))])


app = Litestar([create, read, search], openapi_config=None, logging_config=None)
