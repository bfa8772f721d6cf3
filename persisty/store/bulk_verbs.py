"""`update_all` and `delete_all` of one caller: bulk writes with the access rules joined to the filter, and with redacted cursors and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import PersistyError
from ..model.expressions import Filter
from .backend import Delete, Outcome
from .bulk_writes import write_all, write_by_key
from .context import StoreContext
from .edits import BulkResult
from .limits import MAX_BATCH
from .results import Planned


def write_matches(
    here: StoreContext[Any],
    changes: Mapping[str, Any] | None,
    rows: Filter,
    limit: int | None,
    cursor: str | None,
    allow_scan: bool,
) -> BulkResult:
    """Change or delete the matches of `rows`. Cursors contain no attribute that the caller may not read."""
    ready, by_key = here.semi_joins.ready(here.meta, rows), bool(here.preparation.order(None))
    try:
        if limit is None or not by_key:
            return write_all(here.path, changes, rows, ready, limit, cursor, allow_scan, here.guard.caller)
        return write_by_key(here.path, changes, rows, ready, limit, cursor, allow_scan, here.guard.caller)
    except PersistyError as error:
        if by_key and limit is None:
            error.details.pop("cursor", None)
        raise here.guard.redact_error(error) from None


def delete_matches(
    here: StoreContext[Any], rows: Filter, limit: int | None, cursor: str | None, allow_scan: bool
) -> BulkResult:
    """Delete the matches of `rows` with the referential actions of each. Reads a page at a time."""
    asked = here.preparation.rows("read", rows)
    condition = here.semi_joins.ready(here.meta, asked)
    order = here.preparation.order(None)
    changed = 0
    while True:
        size = MAX_BATCH if limit is None else min(MAX_BATCH, limit - changed)
        select = here.attributes_to_read(here.meta.key.attributes)
        page = here.page(asked, order, size, cursor, select, allow_scan)
        for item in page.items:
            planned = Planned(Delete(here.meta.key_values(item), condition), asked)
            result = here.referential_actions.delete(here.meta, planned, here.guard.caller)
            changed += result.outcome is Outcome.DONE
        cursor = page.cursor
        if cursor is None or (limit is not None and changed >= limit):
            return BulkResult(changed, cursor)
