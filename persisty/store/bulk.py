"""`update_all` and `delete_all`: an engine's bulk writes, one after the other, until all matches have been looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Fault, InvalidQuery, PersistyError
from ..model.expressions import NOTHING, Filter
from ..query.cursor import decode_cursor, encode_cursor
from .backend import Backend
from .edits import BulkResult


def write_all(
    backend: Backend[Any],
    changes: Mapping[str, Any] | None,
    where: Filter,
    ready: Filter,
    limit: int | None,
    cursor: str | None,
    allow_scan: bool,
) -> BulkResult:
    """Change (or without `changes` delete) the matches behind the cursor, about `limit` of them. `ready` is the filter as the engine
    takes it.

    An error carries in its details what was done before it: `changed`, and the `cursor` to go on from.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidQuery(faults=[Fault("/limit", "Expected a number of items", "1 or more", str(limit)[:32])])
    after = None if cursor is None else decode_cursor(backend.meta, where, (), cursor)
    changed = 0
    while ready != NOTHING:
        left = None if limit is None else limit - changed
        try:
            bulk = backend.write_all(changes, ready, after, left, allow_scan=allow_scan)
        except PersistyError as error:
            error.details |= {"changed": changed + error.details.get("changed", 0), "cursor": cursor}
            raise
        changed, after = changed + bulk.changed, bulk.position
        cursor = None if after is None else encode_cursor(backend.meta, where, (), after)
        if after is None or (limit is not None and changed >= limit):
            break
    return BulkResult(changed, cursor)
