"""The conformance suite: tests of the semantics that every engine must have. You can run them over your own engine.

```python
from persisty.testing.conformance import *  # in a test module that has the fixture `open_engine` (see `fixtures`)
```

All assertions go through the public `Store`. Every theme is a module `test_…`. An engine declares its features in its `Capabilities`.
For a missing capability, a test asserts the documented behaviour, or skips and names the capability.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from . import (
    fixtures,
    test_aggregates,
    test_atomic,
    test_batch,
    test_bulk,
    test_bulk_races,
    test_changes,
    test_concurrency,
    test_conditions,
    test_crud,
    test_filters,
    test_integrity,
    test_links,
    test_nested_values,
    test_numbering,
    test_order_and_paging,
    test_page_bytes,
    test_select,
    test_together,
    test_types,
    test_unique,
    test_words,
)

THEMES: tuple[ModuleType, ...] = (
    test_crud,
    test_types,
    test_conditions,
    test_filters,
    test_nested_values,
    test_order_and_paging,
    test_page_bytes,
    test_select,
    test_words,
    test_aggregates,
    test_batch,
    test_atomic,
    test_unique,
    test_changes,
    test_numbering,
    test_bulk,
    test_bulk_races,
    test_links,
    test_integrity,
    test_together,
    test_concurrency,
)
FIXTURES = (
    "recorded", "capabilities", "open_store", "notes", "specimens", "readings", "cells", "accounts", "meters", "tickets", "events",
    "shelf", "dirty", "linked", "county",
)  # fmt: skip


def _exported() -> Iterator[tuple[str, Any]]:
    """Yield the names that a test module imports: the tests of each theme, and their fixtures."""
    yield from ((name, getattr(fixtures, name)) for name in FIXTURES)
    for theme in THEMES:
        yield from (
            (name, value) for name, value in vars(theme).items() if name.startswith("test_") and callable(value)
        )


EXPORTED = dict(_exported())
globals().update(EXPORTED)
__all__ = list(EXPORTED)
