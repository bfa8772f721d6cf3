"""`update_all` and `delete_all`: bulk writes of an engine, repeated until all matches are processed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Fault, InvalidQuery, PersistyError
from ..model.expressions import NOTHING, And, Compare, Filter, Or, OrderBy
from ..model.types import INTEGER_MAX
from ..query.cursor import decode_cursor, encode_cursor
from ..query.filter_algebra import combine
from ..security.caller import Caller
from .backend import BulkWrite, Page, Query
from .change_path import ChangePath
from .edits import BulkResult
from .limits import MAX_BATCH


def write_all(
    path: ChangePath[Any],
    changes: Mapping[str, Any] | None,
    where: Filter,
    ready: Filter,
    limit: int | None,
    cursor: str | None,
    allow_scan: bool,
    by: Caller | None = None,
    *,
    unlinks: bool = False,
) -> BulkResult:
    """Change the matches after the cursor, about `limit` of them, or delete them without `changes`. `ready` is the prepared filter for the engine.
    `unlinks` as in `Patch`.

    The details of an error have the number of items `changed` before it, and the `cursor` to continue from.
    """
    check_bulk_limit(limit)
    after = None if cursor is None else decode_cursor(path.meta, where, (), cursor)
    changed = 0
    while ready != NOTHING:
        remaining = None if limit is None else limit - changed
        try:
            bulk = path.write_all(BulkWrite(changes, ready, after, remaining, allow_scan, unlinks), by)
        except PersistyError as error:
            error.details |= {"changed": changed + error.details.get("changed", 0), "cursor": cursor}
            raise
        changed, after = changed + bulk.changed, bulk.position
        cursor = None if after is None else encode_cursor(path.meta, where, (), after)
        if bulk.error is not None:
            bulk.error.details |= {"changed": changed, "cursor": cursor}
            raise bulk.error
        if after is None or (limit is not None and changed >= limit):
            break
    return BulkResult(changed, cursor)


def write_by_key(
    path: ChangePath[Any],
    changes: Mapping[str, Any] | None,
    where: Filter,
    ready: Filter,
    limit: int,
    cursor: str | None,
    allow_scan: bool,
    by: Caller | None = None,
) -> BulkResult:
    """Do the same as `write_all` in the order of the keys, for a caller that may not see the values of an index. In the engine's own order, the
    cursor would contain them."""
    check_bulk_limit(limit)
    meta = path.meta
    order = tuple(OrderBy(name) for name in meta.key.attributes)
    changed = 0
    while True:
        after = None if cursor is None else decode_cursor(meta, where, order, cursor)
        size = min(MAX_BATCH, limit - changed)
        page = (
            Page([])
            if ready == NOTHING
            else path.query(Query(ready, order, after, size, select=meta.key.attributes, allow_scan=allow_scan))
        )
        some = combine(Or, [_is(path, item) for item in page.items])
        try:
            changed += write_all(path, changes, where, combine(And, [ready, some]), None, None, allow_scan, by).changed
        except PersistyError as error:
            error.details |= {"changed": changed + error.details.get("changed", 0), "cursor": cursor}
            raise
        cursor = None if page.position is None else encode_cursor(meta, where, order, page.position)
        if cursor is None or changed >= limit:
            return BulkResult(changed, cursor)


def _is(path: ChangePath[Any], item: Any) -> Filter:
    """Return the filter for this item, by its key."""
    values = zip(path.meta.key.attributes, path.meta.key_values(item), strict=True)
    return combine(And, [Compare(name, "eq", value) for name, value in values])


def check_bulk_limit(limit: int | None) -> None:
    """Raise `InvalidQuery` for a limit that is not a number of items."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= INTEGER_MAX):
        expected = "1 or more" if not isinstance(limit, int) or limit < 1 else f"at most {INTEGER_MAX}"
        raise InvalidQuery(faults=[Fault("/limit", "Expected a number of items", expected, str(limit)[:32])])
