"""The table of the peers' messages, in SQLite as persisty opens it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text, create_engine, event, insert

AUTHOR = UUID("6f2f3ac6-3b51-4e0f-8c8a-3d7b1c1b0a01")
ITEMS = 500

metadata = MetaData()
message = Table(
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("author_id", Text, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Index("by_author", "author_id", "created_at", "id"),
)


def opened():
    """Return the engine of `peer.db`, with its items."""
    engine = create_engine("sqlite:///peer.db", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection, _):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    metadata.create_all(engine)
    start = datetime.now(UTC)
    with engine.begin() as connection:
        connection.execute(insert(message), [_row(number, start) for number in range(ITEMS)])
    return engine


def _row(number: int, start: datetime) -> dict:
    at = (start + timedelta(milliseconds=number)).isoformat()
    named = {"id": str(uuid4()), "text": f"note {number}", "author_id": str(AUTHOR)}
    return {**named, "withdrawn": False, "version": 1, "created_at": at, "updated_at": at}
