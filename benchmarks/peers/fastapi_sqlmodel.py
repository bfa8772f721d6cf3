"""The messenger's messages as FastAPI's and SQLModel's own tutorials write them: `uvicorn benchmarks.peers.fastapi_sqlmodel:app`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlalchemy import event
from sqlmodel import Field, Session, SQLModel, create_engine, desc, select

AUTHOR = UUID("6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01")


class MessageCreate(SQLModel):
    text: str = Field(min_length=1, max_length=1000)
    author_id: UUID = Field(index=True)


class Message(MessageCreate, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    version: int = 1
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC), index=True)
    updated_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


engine = create_engine("sqlite:///peer.db", connect_args={"check_same_thread": False})


@event.listens_for(engine, "connect")
def configure(connection, _):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


SQLModel.metadata.create_all(engine)
with Session(engine) as first:
    first.add_all(Message(text=f"note {number}", author_id=AUTHOR) for number in range(500))
    first.commit()


def session() -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


app = FastAPI()
Opened = Annotated[Session, Depends(session)]


@app.post("/api/message", status_code=201)
def create(message: MessageCreate, opened: Opened) -> Message:
    created = Message.model_validate(message)
    opened.add(created)
    opened.commit()
    opened.refresh(created)
    return created


@app.get("/api/message/{key}")
def read(key: UUID, opened: Opened) -> Message:
    found = opened.get(Message, key)
    if found is None:
        raise HTTPException(404)
    return found


@app.get("/api/message")
def search(opened: Opened, author_id: UUID, limit: Annotated[int, Query(le=100)] = 25) -> list[Message]:
    page = select(Message).where(Message.author_id == author_id).order_by(desc(Message.created_at)).limit(limit)
    return list(opened.exec(page).all())
