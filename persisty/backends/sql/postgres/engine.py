"""The engine by URL: `postgresql://user:password@host:5432/database?schema=messenger&pool=10`.

`schema`, `pool` and `prepare` are persisty's options, all others are libpq's (`sslmode=verify-full`, `connect_timeout=3`). Tables have the names of
their items and are in the schema, or in the first schema of the role's search path. Apps or stages that share a database each need their own
schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from msgspec import structs
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ....deferred import deferred
from ....errors import BackendUnavailable, Fault, InvalidDeclaration
from ....model.meta import StoreMeta
from ....naming import RESERVED
from ....store.backend import StoredTable
from ....store.engine_urls import read_url
from ....store.migration import Foreseen, Migrator
from ..engine import SqlEngine
from ..outbox import SqlOutbox
from .backend import PostgresBackend
from .connection import PostgresConnection
from .connection_options import LIBPQ, option_faults
from .dialect import dialect_of, quoted
from .mirrored_columns import mirrors
from .notifications import Notifications
from .outbox import POSTGRES_OUTBOX
from .pool import server_of

POOL = 10
"""Default for the most connections of an engine."""
PREPARE = {"auto": None, "true": True, "false": False}
"""Option of the URL → whether statements are prepared. None: only without a pooler between persisty and the server."""
CHANNEL = 63
"""Most characters of a channel's name."""
PREPARING = "SELECT pg_advisory_xact_lock(7017377)"
"""Two processes that create the same table at once collide, even with IF NOT EXISTS."""

SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
RELATIONS = (
    "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p', 'i', 'I') "
    "AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = COALESCE($1::text, current_schema()::text))"
)
"""The tables and indexes of a schema, by default the first of the search path."""


class PostgresEngine(SqlEngine):
    def __init__(self, conninfo: str, schema: str | None, size: int, prepares: bool | None) -> None:
        self._server = server_of(conninfo)
        self._postgres = PostgresConnection(conninfo, size, prepares)
        self._schema = schema
        dialect = dialect_of(schema)
        super().__init__(
            dialect,
            self._postgres,
            lambda meta, table: PostgresBackend(meta, table, dialect, self._postgres),
            embedded=False,
        )
        notifications = Notifications(conninfo, f"{RESERVED}event_{schema or ''}"[:CHANNEL])
        self.outbox = SqlOutbox(
            dialect, POSTGRES_OUTBOX, self._postgres, self._postgres.at_commit, notifications, self._tables_of_outbox
        )

    def migrator(self) -> Migrator:
        """Return the migrator of the schema's tables."""
        module = deferred("persisty.backends.sql.postgres.migrator")
        found: Migrator = module.PostgresMigrator(self._postgres, self._dialect, self._schema)
        return found

    def foreseen(self) -> Foreseen:
        """Return a model of the schema's tables, for steps that are only planned."""
        module = deferred("persisty.backends.sql.postgres.foreseen")
        found: Foreseen = module.ForeseenPostgres(self._postgres, self._dialect, self._schema)
        return found

    def table(self, name: str) -> StoredTable | None:
        found = super().table(name)
        if found is None:
            return None
        filled = [one for one in mirrors(self._postgres.rows, name, self._schema) if one.filled]
        return structs.replace(found, mirrored=frozenset(column for one in filled for column in (one.old, one.new)))

    def prepare(self, metas: Sequence[StoreMeta[Any]]) -> None:
        """Create the missing tables. The error for an unreachable server names the server, which responses to callers do not."""
        try:
            self._postgres.rows("SELECT 1")
        except BackendUnavailable as error:
            raise BackendUnavailable(f"{error.message} ({self._server})") from error
        super().prepare(metas)

    @contextmanager
    def _preparing(self) -> Iterator[None]:
        with super()._preparing():
            self._postgres.rows(PREPARING)
            if self._schema and not self._postgres.rows(SCHEMA, (self._schema,)):
                self._postgres.rows(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._schema)}")
            yield

    def brief_transaction(self) -> AbstractContextManager[None]:
        return self._postgres.brief_transaction()

    @contextmanager
    def _tables_of_outbox(self) -> Iterator[frozenset[str]]:
        with self._preparing():
            yield self._existing()

    def _existing(self) -> frozenset[str]:
        """Create the schema if it is missing. PostgreSQL requires the right CREATE even if it exists, so a role without it sends no statement."""
        return frozenset(name for (name,) in self._postgres.rows(RELATIONS, (self._schema,)))


def connect(url: str, *, app: str, stage: str) -> PostgresEngine:
    """Return the engine of a `postgresql:` URL, without connecting."""
    server, _, query = url.partition("?")
    options = _options(query)
    schema, size = options.pop("schema", None), options.pop("pool", str(POOL))
    if not size.isdecimal() or not int(size):
        raise _invalid("Not a number of connections", "pool=1 or more")
    prepare = options.pop("prepare", "auto")
    if prepare not in PREPARE:
        raise _invalid("Not a way to prepare statements", "prepare=" + ", ".join(PREPARE))
    try:
        connection = conninfo_to_dict(server) | options
        if faults := [*option_faults({name: str(value) for name, value in connection.items()})]:
            raise InvalidDeclaration("No engine for this URL", faults=faults)
        conninfo = make_conninfo("", **LIBPQ | connection)
    except (psycopg.ProgrammingError, TypeError) as error:
        raise _invalid("libpq does not accept this", "postgresql://user:password@host:5432/database") from error
    return PostgresEngine(conninfo, schema or None, int(size), PREPARE[prepare])


def _options(query: str) -> dict[str, str]:
    """Return the decoded options. libpq checks its own."""
    names = {one.partition("=")[0] for one in query.split("&") if one}
    return dict(read_url(f"postgresql://?{query}", options=names).options)


def _invalid(message: str, expected: str) -> InvalidDeclaration:
    return InvalidDeclaration("No engine for this URL", faults=[Fault("/url", message, expected)])
