"""SQLite: persisty against SQLAlchemy Core and ORM, each on a file of its own with the same settings of durability."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from .measure import Row
from .sql import measured


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_of(Path(folder) / "peers.db")
        yield from measured("SQLite", f"sqlite:///{folder}/persisty.db", engine, orm=True)
        engine.dispose()


def engine_of(file: Path) -> Engine:
    """Return SQLAlchemy's engine with the settings of persisty."""
    engine = create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine
