"""Stores of fresh, empty tables on the engine under test.

The test module provides one fixture, `open_engine`, of scope `session`. Its value is a function without arguments that opens an
`Engine` over its own empty database. If it has parameters, they are names of engines, and every test runs for each of them.

```python
@pytest.fixture(scope="session", params=["shelf"])
def open_engine():
    return ShelfEngine
```

An engine that cannot be opened fails all of its tests. None is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, TypeVar

import msgspec
import pytest

from persisty import Store, meta_of
from persisty.store.backend import Capabilities, Engine
from persisty.store.connection import Connection
from persisty.store.context import StoreContext

from ..matrix import CAPABILITIES
from .county import COUNTY
from .dirty import rows
from .items import LINKED, Account, Cell, Event, Meter, Note, Reading, Specimen, Ticket

T = TypeVar("T")
OpenEngine = Callable[[], Engine]
OpenStore = Callable[[type[Any]], Store[Any]]


def present(item: T | None) -> T:
    """Return the item, which must not be None."""
    assert item is not None
    return item


@pytest.fixture(scope="session")
def capabilities(open_engine: OpenEngine) -> Capabilities:
    with closing(open_engine()) as engine:
        return engine.open(meta_of(Note)).capabilities


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest, capabilities: Capabilities) -> None:
    """Record the capabilities of the engine for the matrix, in every test."""
    request.node.user_properties.append((CAPABILITIES, msgspec.to_builtins(capabilities)))


def open_in(stack: ExitStack, open_engine: OpenEngine, item: type[Any]) -> Store[Any]:
    """Return the store of an item in its own engine, which the stack closes."""
    engine, meta = stack.enter_context(closing(open_engine())), meta_of(item)
    engine.prepare((meta,))
    connection = Connection(engine)
    return Store(StoreContext(meta, lambda: connection.open(meta)))


@pytest.fixture
def open_store(open_engine: OpenEngine) -> Iterator[OpenStore]:
    """Return a function of an item to its empty store."""
    with ExitStack() as stack:
        yield lambda item: open_in(stack, open_engine, item)


def open_together(stack: ExitStack, open_engine: OpenEngine, items: Sequence[type[Any]]) -> dict[type[Any], Store[Any]]:
    """Return item → store, all in one engine, which the stack closes."""
    engine = stack.enter_context(closing(open_engine()))
    metas = [meta_of(item) for item in items]
    engine.prepare(metas)
    connection = Connection(engine)
    contexts: dict[str, StoreContext[Any]] = {}
    for meta in metas:
        contexts[meta.name] = StoreContext(meta, partial(connection.open, meta), contexts)
    return {meta.item: Store(contexts[meta.name]) for meta in metas}


@pytest.fixture
def linked(open_engine: OpenEngine) -> Iterator[dict[type[Any], Store[Any]]]:
    """Empty stores of items that are linked to each other."""
    with ExitStack() as stack:
        yield open_together(stack, open_engine, LINKED)


@pytest.fixture(scope="session")
def county(open_engine: OpenEngine) -> Iterator[dict[type[Any], Store[Any]]]:
    """Stores of linked items, with a few items in each. Tests only read them."""
    with ExitStack() as stack:
        stores = open_together(stack, open_engine, LINKED)
        for store, items in COUNTY.items():
            for item in items:
                stores[store].create(item)
        yield stores


@pytest.fixture
def notes(open_store: OpenStore) -> Store[Note]:
    return open_store(Note)


@pytest.fixture
def specimens(open_store: OpenStore) -> Store[Specimen]:
    return open_store(Specimen)


@pytest.fixture
def readings(open_store: OpenStore) -> Store[Reading]:
    return open_store(Reading)


@pytest.fixture
def cells(open_store: OpenStore) -> Store[Cell]:
    return open_store(Cell)


@pytest.fixture
def accounts(open_store: OpenStore) -> Store[Account]:
    return open_store(Account)


@pytest.fixture
def meters(open_store: OpenStore) -> Store[Meter]:
    return open_store(Meter)


@pytest.fixture
def tickets(open_store: OpenStore) -> Store[Ticket]:
    return open_store(Ticket)


@pytest.fixture
def events(open_store: OpenStore) -> Store[Event]:
    return open_store(Event)


@pytest.fixture(scope="session")
def shelf(open_engine: OpenEngine) -> Iterator[Store[Specimen]]:
    """A store that tests share. Each test uses keys of its own."""
    with ExitStack() as stack:
        yield open_in(stack, open_engine, Specimen)


@pytest.fixture(scope="session")
def dirty(open_engine: OpenEngine) -> Iterator[Store[Specimen]]:
    """A store of the dirty rows. Tests only read it."""
    with ExitStack() as stack:
        store: Store[Specimen] = open_in(stack, open_engine, Specimen)
        for row in rows():
            store.create(row)
        yield store
