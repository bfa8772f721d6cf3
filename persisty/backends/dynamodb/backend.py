"""The DynamoDB backend: one table, read by `Reads` and written by `Writes`."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

from ...model.meta import StoreMeta
from ...store.backend import Capabilities
from .codec import WireCodec
from .limits import MAX_ITEM
from .planner import Planner
from .reads import Reads
from .requests import Requests
from .requirement_checks import TableOf
from .system_table import SystemTable
from .transactions import MAX_ATOMIC
from .transport import Transport
from .writes import Writes

T = TypeVar("T")


class Options(Struct, frozen=True):
    """Options of a URL.

    `max_scan`: items that a table may have to be scanned without `allow_scan`. `index_attributes`: attributes that an index may have. `partiql`: 1 if the
    engine has PartiQL.
    """

    max_scan: int = 10_000
    index_attributes: int = 8
    partiql: int = 1


USUAL = Options()


class DynamoDbBackend(Generic[T]):
    """`table_of`: an item → the table of its store; `system`: the table of guard rows and sequences."""

    def __init__(
        self,
        meta: StoreMeta[T],
        table_of: TableOf,
        system: str,
        transport: Transport,
        options: Options = USUAL,
    ) -> None:
        self.meta = meta
        self.capabilities = Capabilities(embedded=False, max_atomic=MAX_ATOMIC, max_item=MAX_ITEM, expiring=True)
        codec = WireCodec(meta)
        requests = Requests(meta, codec, table_of(meta))
        planner = Planner(meta, codec, options.index_attributes)
        reads = Reads(meta, codec, requests, transport, planner, options.max_scan)
        system_table = SystemTable(system, transport)
        self.writes = writes = Writes(
            meta, codec, requests, transport, reads, system_table, partiql=bool(options.partiql), table_of=table_of
        )
        self.read, self.query, self.count, self.query_each = reads.read, reads.query, reads.count, reads.query_each
        self.aggregate, self.explain = reads.aggregate, reads.explain
        self.write, self.write_all, self.allocate = writes.write, writes.write_all, writes.allocate
