"""Fixtures of the tests of the item cache."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from persisty.backends import memory

from .places import Note, Place


@pytest.fixture
def notes() -> Place:
    return Place(Note, memory.MemoryEngine())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=64) as made:
        yield made
