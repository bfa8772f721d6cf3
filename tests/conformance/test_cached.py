"""The whole suite over an engine that caches all items: results must be the same as without the cache."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CACHED = """
import itertools
import pytest
from persisty import Cache
from persisty.backends import connect
from persisty.store.connection import Connection
from persisty.testing.conformance import *
from persisty.testing.conformance import fixtures

class CachesAll(Connection):
    def __init__(self, engine):
        super().__init__(engine, cached=True)
        self._metas = {}

    def open(self, meta):
        return super().open(self._metas.setdefault(meta.name, meta.altered(cache=Cache(seconds=3600, misses=True))))

fixtures.Connection = CachesAll
stages = (f"s{number}" for number in itertools.count())
URLS = {"memory": "memory://", "sqlite": "sqlite:///FOLDER/cached-{stage}.db"}

@pytest.fixture(scope="session", params=[*URLS])
def open_engine(request):
    def opened():
        stage = next(stages)
        return connect(URLS[request.param].format(stage=stage), app="cached", stage=stage)

    return opened
"""


def test_every_engine_passes_the_suite_with_a_cache(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_cached=CACHED.replace("FOLDER", str(pytester.path)))
    run = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    assert run.ret == pytest.ExitCode.OK, run.stdout.str()
    assert run.parseoutcomes()["passed"] > 1000
