"""The pages of a search in URLs: its parameters, the link to the next page (RFC 8288), and all pages as lines.

An export reads one page after the other while the client reads its lines. It has one page in memory, and no connection to the engine between two
pages. A mistake in the request is found at the first page and has its usual status. A later error is a problem document in the last line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote_plus

from ...errors import Fault, InvalidQuery, UnreadableItem
from ...model.pages import ResultPage
from ...store.unreadable_matches import MAX_NAMED, all_of_them
from ..http.messages import encode, encode_lines
from ..http.negotiation import LINES_MEDIA
from ..http.problem import as_error, problem

PAGING = ("order", "limit", "cursor")
LINES = {"content-type": LINES_MEDIA, "cache-control": "no-store", "vary": "accept"}
"""The headers of an export. It must not be cached, because only its end shows whether it is complete."""
PAGE, LINKED_PAGE = 500, 100
"""Items that an export has in memory, without links and with them."""
_UNQUOTED = "%!$'()*,;:@/?&=+~"
"""Characters of a query string that are not escaped, in addition to letters, digits and `_.-`."""
_PLAIN = re.compile(r"[\w.\-!$'()*,;:@/?&=+~]*", re.ASCII)
"""A query string that needs no escapes and has none."""


def search_arguments(given: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the arguments of a search. Parameters other than those of paging are the filter."""
    where: list[tuple[str, str]] = []
    order: list[str] = []
    arguments: dict[str, Any] = {"where": where, "order": order}
    for name, value in given:
        if name == "order":
            order += [term for term in value.split(",") if term]
        elif name not in PAGING:
            where.append((name, value))
        elif name in arguments:
            raise InvalidQuery(faults=[Fault(f"/{name}", "Given twice")])
        else:
            arguments[name] = _whole(value) if name == "limit" else value
    return arguments


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def next_page(path: str, query: str, cursor: str) -> str:
    """Return the link to the page after the one of this query."""
    before = query if _PLAIN.fullmatch(query) and "cursor" not in query else _without_cursor(query)
    return f'<{path}?{before}{"&" if before else ""}cursor={cursor}>; rel="next"'


def _without_cursor(query: str) -> str:
    remaining = (one for one in query.split("&") if one and unquote_plus(one.partition("=")[0]) != "cursor")
    return "&".join(quote(one, safe=_UNQUOTED) for one in remaining)


def export_arguments(given: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the arguments of an export, which has every match."""
    arguments = search_arguments(given)
    paging = [Fault(f"/{name}", "An export has every match") for name in ("limit", "cursor") if name in arguments]
    if paging:
        raise InvalidQuery(faults=paging)
    return arguments


def lines(page_of: Callable[[str | None], ResultPage[Any]]) -> Iterator[bytes]:
    """Return the items of all pages, one on a line, as one chunk for each page. `page_of`: cursor → page. Raises the errors of the first page.

    The last line is a problem document if the export ends early, or if some items cannot be read. It names these items.
    """
    return _lines(page_of(None), page_of)


def _lines(page: ResultPage[Any], page_of: Callable[[str | None], ResultPage[Any]]) -> Iterator[bytes]:
    errors: list[UnreadableItem] = []
    try:
        while True:
            if page.items:
                yield encode_lines(page.items)
            errors += page.errors[: MAX_NAMED - len(errors)]
            if page.cursor is None:
                break
            page = page_of(page.cursor)
        if errors:
            raise all_of_them(errors)
    except Exception as error:
        yield encode(problem(as_error(error))) + b"\n"
