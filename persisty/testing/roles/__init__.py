"""Tests of access rules. You can run them over your own engine.

```python
from persisty.testing.roles import *  # in a test module that has the fixture `open_engine` (see `persisty.testing.conformance`)
```

The role suite calls every verb as every role on every item, through Python, REST, GraphQL and AppSync's events, and compares each
cell with an oracle in plain Python. It does the same with batches that edit several stores. The leak suite compares the answers over two worlds that differ only in data that a role may
not see. The answers must be equal byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from . import (
    fixtures,
    test_hidden,
    test_leaks,
    test_links,
    test_multi_store_batches,
    test_races,
    test_reads,
    test_writes,
)

THEMES: tuple[ModuleType, ...] = (
    test_reads,
    test_links,
    test_writes,
    test_multi_store_batches,
    test_races,
    test_leaks,
    test_hidden,
)
FIXTURES = ("stage", "capabilities", "surfaces", "cells")


def _exported() -> Iterator[tuple[str, Any]]:
    """Yield the names that a test module imports: the tests of each theme, and their fixtures."""
    yield from ((name, getattr(fixtures, name)) for name in FIXTURES)
    yield from (("twins", test_leaks.twins), ("racing", test_races.racing))
    for theme in THEMES:
        yield from (
            (name, value) for name, value in vars(theme).items() if name.startswith("test_") and callable(value)
        )


EXPORTED = dict(_exported())
globals().update(EXPORTED)
__all__ = list(EXPORTED)
