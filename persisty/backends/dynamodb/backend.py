"""The DynamoDB backend: one table, read by `Reads` and written by `Writes`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, ParamSpec, TypeVar

from msgspec import Struct

from ...errors import Fault, SchemaMismatch
from ...model.meta import StoreMeta
from ...store.backend import Bulk, BulkWrite, Capabilities
from .codec import WireCodec
from .limits import MAX_ITEM
from .planner import Planner
from .reads import Reads
from .requests import Requests
from .requirement_checks import TableOf
from .system_table import SystemTable
from .transactions import MAX_ATOMIC
from .transport import OTHER_KEY, Transport
from .writes import Writes

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
ABSENT = "Its table, or an index, does not exist"
FAULTS = {OTHER_KEY: "Its table, or an index, has another key"}
"""Message of an error → its fault, if it is not `ABSENT`."""


class Options(Struct, frozen=True):
    """Options of a URL.

    `max_scan`: items that a table may have to be scanned without `allow_scan`. `index_attributes`: attributes that an index may have. `partiql`: 1 if the
    engine has PartiQL. `streams`: 1 if copies of tables may use a stream.
    """

    max_scan: int = 10_000
    index_attributes: int = 8
    partiql: int = 1
    streams: int = 1


USUAL = Options()


class DynamoDbBackend(Generic[T]):
    """`table_of`: an item → the table of its store; `system`: the table of guard rows and sequences. `incomplete`: returns the stored names of the indexes that may
    miss items."""

    def __init__(
        self,
        meta: StoreMeta[T],
        table_of: TableOf,
        system: str,
        transport: Transport,
        options: Options = USUAL,
        incomplete: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=False, max_atomic=MAX_ATOMIC, max_item=MAX_ITEM, expiring=True)
        codec = WireCodec(meta)
        requests = Requests(meta, codec, table_of(meta))
        planner = Planner(meta, codec, options.index_attributes, incomplete=incomplete)
        reads = Reads(meta, codec, requests, transport, planner, options.max_scan)
        system_table = SystemTable(system, transport)
        self.writes = writes = Writes(
            meta, codec, requests, transport, reads, system_table, partiql=bool(options.partiql), table_of=table_of
        )
        self.read, self.query = self._named(reads.read), self._named(reads.query)
        self.count, self.query_each = self._named(reads.count), self._named(reads.query_each)
        self.aggregate, self.explain = self._named(reads.aggregate), self._named(reads.explain)
        self.write, self._write_all = self._named(writes.write), self._named(writes.write_all)
        self.allocate = self._named(writes.allocate)

    def write_all(self, bulk: BulkWrite) -> Bulk:
        done = self._write_all(bulk)
        if isinstance(done.error, SchemaMismatch):
            self._name(done.error)
        return done

    def _name(self, error: SchemaMismatch) -> None:
        error.faults = error.faults or (Fault(f"/{self.meta.name}", FAULTS.get(error.message, ABSENT)),)

    def _named(self, call: Callable[P, R]) -> Callable[P, R]:
        """Return the call with the store in its error if a table or an index does not exist, which DynamoDB does not name."""

        def named(*arguments: P.args, **options: P.kwargs) -> R:
            try:
                return call(*arguments, **options)
            except SchemaMismatch as error:
                self._name(error)
                raise

        return named
