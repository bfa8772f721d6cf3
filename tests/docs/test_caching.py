"""The examples of docs/caching.md run in order and have the shown output."""

from __future__ import annotations

import doctest
import io
import re
import shlex
from typing import Any

import pytest
from servey.cache_control.secure_hash_cache_control import SecureHashCacheControl
from servey.cache_control.timestamp_cache_control import TimestampCacheControl
from servey.cache_control.ttl_cache_control import TtlCacheControl

from persisty import Cache
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest
from persisty.model.cache_policy import cache_of

from .test_docs import ROOT, blocks, declared

PAGE = "docs/caching.md"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.delenv("PERSISTY_CACHE", raising=False)
    return declared(PAGE)


def test_requests_have_the_shown_responses_and_cached_reads(shown: dict[str, Any]) -> None:
    rest = Rest(shown["app"])
    calls = [
        call
        for console in blocks(PAGE, "console")
        for call in re.findall(r"^\$ (.+)\n((?:[^$].*\n)+)", console, re.MULTILINE)
    ]
    assert len(calls) == 4
    tags: dict[str, str] = {}
    for command, answer in calls:
        response = asked(rest, command, tags)
        if tag := response.headers.get("etag"):
            tags[f'{tag[:7]}…"'] = tag
        assert [told(response)[0], *map(abbreviated, told(response)[1:])] == answer.splitlines()
    assert shown["app"]._engines.cached
    [console] = blocks(PAGE, "pycon")
    report, runner = io.StringIO(), doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest(console, shown, PAGE, None, None), out=report.write)
    assert not runner.failures, report.getvalue()


def asked(rest: Rest, command: str, tags: dict[str, str]) -> Response:
    """Return the response to a call of curl, with ETags abbreviated as on the page."""
    words = iter(shlex.split(command)[1:])
    method, path, headers, body = "GET", "", {}, ""
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name.lower()] = tags.get(value, value)
            case "-d":
                body = next(words)
            case "-i":
                pass
            case _:
                path = word.removeprefix("localhost:8000")
    path, _, query = path.partition("?")
    return rest.handle(Request(method, path, query, headers, body.encode()))


def told(response: Response) -> list[str]:
    """Return status, headers and body, one on each line."""
    lines = [str(response.status), *(f"{name}: {value}" for name, value in response.headers.items())]
    body = response.body if response.chunks is None else b"".join(response.chunks)
    return [*lines, *body.decode().splitlines()]


def abbreviated(line: str) -> str:
    return re.sub(r'^(etag: "\d+\.[0-9a-f]{4})[0-9a-f]{20}"$', r'\1…"', line)


def test_every_option_of_a_cache_and_every_cache_control_of_servey_is_documented() -> None:
    text = (ROOT / PAGE).read_text()
    words = set(re.findall(r"`(\w+)=[^`]+`", "\n".join(re.findall(r"^\| `\w+=.*\|$", text, re.MULTILINE))))
    assert words == set(Cache.__struct_fields__)
    rows = re.findall(r"^\| `(\w+CacheControl\(.*?\))` \| `(Cache\(.*?\))` \|$", text, re.MULTILINE)
    assert len(rows) == 4
    known = {"SecureHashCacheControl": SecureHashCacheControl, "TtlCacheControl": TtlCacheControl,
             "TimestampCacheControl": TimestampCacheControl, "Cache": Cache}  # fmt: skip
    for control, cache in rows:
        assert cache_of(eval(control, dict(known))) == eval(cache, dict(known))
