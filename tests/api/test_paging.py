"""A page has a link to the next one (RFC 8288). Following the links returns every match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty.api.rest.paging import next_page

from .library import Post, Served, library

LINK = re.compile(r'<([^<>"\s?]+)\?([^<>"\s]+)>; rel="next"')


@pytest.fixture
def served() -> Iterator[Served]:
    with library() as made:
        yield made


@pytest.mark.parametrize(
    "query",
    [
        "limit=2",
        "order=-title&limit=4",
        "limit=1&title__startswith=ann&order=title",
        "limit=5&fields=title",
        "limit=2&include=writer&order=writer_name,-title",
        "limit=2&title__ne=%C3%A9%26%3D%2B+%22%3E",
    ],
)
def test_following_the_next_links_returns_every_match_once(served: Served, query: str) -> None:
    seen: list[str] = []
    path, following = "/api/post", query
    while True:
        response = served.ask(path, following)
        page = msgspec.json.decode(response.body)
        seen += [one["title"] for one in page["items"]]
        assert ("link" in response.headers) == (page["cursor"] is not None)
        if page["cursor"] is None:
            break
        link = LINK.fullmatch(response.headers["link"])
        assert link is not None
        path, following = link.groups()
        parameters, before = parse_qsl(following), parse_qsl(query)
        assert parameters[:-1] == before
        assert parameters[-1] == ("cursor", page["cursor"])
    where = Post.title.startswith("ann") if "startswith" in query else None
    assert len(seen) == len(set(seen)) == served.app.store(Post).count(where)


def test_only_pages_of_a_search_with_a_next_page_have_a_link(served: Served) -> None:
    for path, query in (("/api/post", ""), ("/api/post", "limit=9"), ("/api/post-count", ""), ("/api/writer/ann", "")):
        assert "link" not in served.ask(path, query).headers
    first = served.ask("/api/post", "limit=2")
    unchanged = served.ask("/api/post", "limit=2", if_none_match=first.headers["etag"])
    assert (unchanged.status, "link" in unchanged.headers) == (304, False)
    assert served.ask("/api/post", "limit=2", method="HEAD").headers["link"] == first.headers["link"]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "cursor", "c%75rsor", "%63ursor", "é", ""]), st.text(max_size=5))),
    st.text("abcXYZ019_-", min_size=1, max_size=20),
)
def test_a_next_link_has_the_same_parameters_except_the_cursor(given_: list[tuple[str, str]], cursor: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in given_).replace("%\x00", "")
    link = LINK.fullmatch(next_page("/api/x", query, cursor))
    assert link is not None, next_page("/api/x", query, cursor)
    assert link.group(2).isascii()
    before = [one for one in parse_qsl(query, keep_blank_values=True) if one[0] != "cursor"]
    after = parse_qsl(link.group(2), keep_blank_values=True)
    assert after == [*before, ("cursor", cursor)]
    assert unquote(link.group(1)) == "/api/x"
