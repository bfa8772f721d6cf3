"""`update_all` and `delete_all` of one caller: bulk writes with the access rules joined to the filter, and with redacted cursors and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from ..errors import PersistyError
from ..model.expressions import And, Filter
from ..query.filter_algebra import all_of, combine, follows_links
from .bulk_walk import AHEAD, read_ahead
from .bulk_writes import check_bulk_limit, write_all, write_by_key
from .context import StoreContext
from .edits import BulkResult
from .limits import MAX_BATCH


def write_matches(
    here: StoreContext[Any],
    changes: Mapping[str, Any] | None,
    rows: Filter,
    limit: int | None,
    cursor: str | None,
    allow_scan: bool,
) -> BulkResult:
    """Change or delete the matches of `rows`. Cursors contain no attribute that the caller may not read."""
    ready = here.semi_joins.ready(here.meta, rows)
    by_key = bool(here.preparation.order(None)) or here.changes_plan(rows)
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
    """Delete the matches of `rows` with the referential actions of each. If a blocking item is not itself deleted, the call is rejected before
    anything is deleted. Reads a page of keys at a time, or all keys if a page depends on earlier ones."""
    check_bulk_limit(limit)
    actions, matches = here.referential_actions, here.preparation.within_rule("read", rows)
    # an earlier delete may also delete the items behind a link; all other conditions are part of each write
    condition = combine(And, [one for one in all_of(matches) if not follows_links(one)])
    transactional = actions.transactional(here.meta)
    removal = actions.removal(None, here.guard.caller)
    changed, reached = 0, cursor
    try:
        with here.path.transaction() if transactional else nullcontext():
            pages: Iterable[tuple[list[Any], str | None]] = _pages_of_keys(here, matches, limit, cursor, allow_scan)
            if follows_links(matches) or (not transactional and actions.may_block(here.meta)):
                pages = list(pages)
            else:
                pages = read_ahead(pages, AHEAD // MAX_BATCH)
            if not transactional and isinstance(pages, list):
                actions.check_blocked(here.meta, [key for keys, _ in pages for key in keys], here.guard.caller)
            for keys, following in pages:
                for key in keys:
                    changed += actions.delete_one(here.meta, key, condition, removal)
                reached = following
            removal.check()
    except PersistyError as error:
        error.details |= {"changed": 0, "cursor": cursor} if transactional else {"changed": changed, "cursor": reached}
        raise
    return BulkResult(changed, reached)


def _pages_of_keys(
    here: StoreContext[Any], matches: Filter, limit: int | None, cursor: str | None, allow_scan: bool
) -> Iterator[tuple[list[Any], str | None]]:
    """Yield the keys of the matches, about `limit` of them, a page at a time, each with the cursor after it. Items that cannot be read are among them."""
    order, remaining = here.preparation.order(None), limit
    while True:
        size = MAX_BATCH if remaining is None else min(MAX_BATCH, remaining)
        keys, cursor = here.page_of_keys(matches, order, size, cursor, allow_scan)
        yield [key for [key] in keys], cursor  # the key of a link's target has one attribute
        remaining = None if remaining is None else remaining - len(keys)
        if cursor is None or (remaining is not None and remaining <= 0):  # a page may have more items than its limit
            return
