"""PostgreSQL: persisty against SQLAlchemy Core over the same driver, both on one server of the run."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import create_engine

from tests.postgres import postgres_server

from .measure import Row
from .sql import measured


def rows() -> Iterator[Row]:
    with postgres_server() as url:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
        yield from measured("PostgreSQL", url, engine, orm=False)
        engine.dispose()
