"""What holds on every engine, as tests that anybody can run over an engine of their own.

```python
from persisty.testing.conformance import *  # in a test module, beside a fixture `open_engine` (see `fixtures`)
```

All is asserted through the public `Store`. Every theme is a module `test_…`; what an engine cannot do it says in its
`Capabilities`, and a test then asserts what is documented for such an engine, or is skipped and names the capability.
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
    test_changes,
    test_concurrency,
    test_conditions,
    test_crud,
    test_filters,
    test_integrity,
    test_links,
    test_numbering,
    test_order_and_paging,
    test_select,
    test_types,
    test_unique,
    test_words,
)

THEMES: tuple[ModuleType, ...] = (
    test_crud,
    test_types,
    test_conditions,
    test_filters,
    test_order_and_paging,
    test_select,
    test_words,
    test_aggregates,
    test_batch,
    test_atomic,
    test_unique,
    test_changes,
    test_numbering,
    test_bulk,
    test_links,
    test_integrity,
    test_concurrency,
)
FIXTURES = (
    "recorded", "capabilities", "open_store", "notes", "specimens", "readings", "cells", "accounts", "meters", "tickets", "events",
    "shelf", "dirty", "linked", "county",
)  # fmt: skip


def _exported() -> Iterator[tuple[str, Any]]:
    """The names that a test module takes over: of each theme its tests, and the fixtures that these ask for."""
    yield from ((name, getattr(fixtures, name)) for name in FIXTURES)
    for theme in THEMES:
        yield from (
            (name, value) for name, value in vars(theme).items() if name.startswith("test_") and callable(value)
        )


EXPORTED = dict(_exported())
globals().update(EXPORTED)
__all__ = list(EXPORTED)
