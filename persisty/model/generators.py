"""Generators: where the value of an attribute comes from when the caller gives none.

A generator runs on create, on update, or on both. `None` for a phase means that it leaves the value alone. On update a
generator may give an `Add`, which the engine applies to the stored value atomically.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from msgspec import Struct


class Add(Struct, frozen=True):
    """Add `amount` to the stored number, in the engine."""

    amount: int


class Generator(Struct, frozen=True):
    """`create` and `update` make a value; `given` tells whether a caller may give one instead on create."""

    name: str
    create: Callable[[], Any] | None = None
    update: Callable[[], Any] | None = None
    given: bool = False


def now() -> datetime:
    """The current time, UTC, to the microsecond."""
    return datetime.now(UTC)


def _one() -> int:
    return 1


def _add_one() -> Add:
    return Add(1)


def _uuid_text() -> str:
    return str(uuid4())


UUID4 = Generator("uuid4", create=uuid4, given=True)
"""A random UUID; a caller may bring its own."""
UUID4_TEXT = Generator("uuid4_text", create=_uuid_text, given=True)
"""A random UUID as text, for keys declared `str`."""
CREATED = Generator("created", create=now)
UPDATED = Generator("updated", create=now, update=now)
VERSION = Generator("version", create=_one, update=_add_one)
"""1 on create, one more on every update, counted by the engine: compare it in `when` for an optimistic lock."""
