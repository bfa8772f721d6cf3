"""Generators: functions that make the value of an attribute if the caller gives none.

`version: Attr[int] = VERSION` declares one. To a type checker, each is `Any`, a default for an attribute of any type. A generator
runs on create, on update, or on both. `None` for a phase means that it does not change the value. On update, a generator may return an
`Add`, which the engine applies to the stored value atomically.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from os import urandom
from time import time_ns
from typing import Any
from uuid import UUID, SafeUUID

from msgspec import Struct


class UpdateOperator(Struct, frozen=True):
    """A change that depends on the stored value. Applying it twice is not the same as applying it once."""


class Add(UpdateOperator, frozen=True):
    """Add `amount` to the stored number, in the engine. Null counts as 0."""

    amount: int


class Append(UpdateOperator, frozen=True):
    """Append `values` to the stored list, in the engine. Null counts as the empty list."""

    values: tuple[Any, ...]


def add(amount: int) -> Add:
    """Return a change that adds to an integer: `store.update(key, {"count": add(1)})`. No concurrent increment is lost.

    A sum that would leave the attribute's bounds fails with `InvalidInput`.
    """
    return Add(amount)


def append(*values: Any) -> Append:
    """Return a change that appends to a list: `store.update(key, {"tags": append("new")})`."""
    return Append(values)


class Generator(Struct, frozen=True):
    """`create` and `update` make a value. `given`: a caller may give a value instead on create.

    `sequence`: the engine assigns the number, after the rest of the item is validated. `fits`: the kinds of attributes that accept its values,
    names of `persisty.model.types.Kind`; empty for a generator of the app, whose types are unknown.
    """

    name: str
    create: Callable[[], Any] | None = None
    update: Callable[[], Any] | None = None
    given: bool = False
    sequence: bool = False
    fits: tuple[str, ...] = ()


def now() -> datetime:
    """Return the current time, in UTC, to the microsecond."""
    return datetime.now(UTC)


def _one() -> int:
    return 1


_ONE_MORE = Add(1)


def _add_one() -> Add:
    return _ONE_MORE


def _uuid(number: int) -> UUID:
    """Return `UUID(int=number)` in a third of the time: the constructor checks for every form of a UUID."""
    made = _new_object(UUID)
    _set_number(made, number)
    _set_safety(made, _UNKNOWN)
    return made


_new_object, _UNKNOWN = object.__new__, SafeUUID.unknown
_set_number, _set_safety = (vars(UUID)[name].__set__ for name in ("int", "is_safe"))
_UUID4_CLEARED = ~((0xF << 76) | (0b11 << 62))
_UUID4_MARKED = (4 << 76) | (0b10 << 62)
"""Bits of the version and the variant (RFC 9562)."""


def uuid4() -> UUID:
    """Return a random UUID, version 4 of RFC 9562."""
    return _uuid(int.from_bytes(urandom(16), "big") & _UUID4_CLEARED | _UUID4_MARKED)


def uuid4s(count: int) -> list[UUID]:
    """Return as many random UUIDs as `uuid4` makes, in half of the time: the system is asked once for their bytes."""
    drawn = urandom(16 * count)
    return [
        _uuid(int.from_bytes(drawn[start : start + 16], "big") & _UUID4_CLEARED | _UUID4_MARKED)
        for start in range(0, 16 * count, 16)
    ]


def _uuid_text() -> str:
    return str(uuid4())


def uuid7() -> UUID:
    """Return a UUID of the current time and 62 random bits, version 7 of RFC 9562: it sorts by time of creation.

    48 bits of milliseconds are followed by 12 of their fraction (the RFC's method 3), a quarter of a microsecond each.
    """
    milliseconds, rest = divmod(time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    random = int.from_bytes(urandom(8), "big") >> 2
    return _uuid((milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | random)


def _uuid7_text() -> str:
    return str(uuid7())


_subject: ContextVar[str | None] = ContextVar("persisty_subject", default=None)


@contextmanager
def acting_as(subject: str | None) -> Iterator[None]:
    """Make `SUBJECT` this caller within the block, in this thread or task: `with acting_as("ann"): store.create(...)`."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


_SUBJECT = ("string", "uuid")
GENERATED: Any = Generator("generated")
"""The generator that an attribute of this name and type has by convention: `created_at: Attr[datetime] = GENERATED`. The bare
annotation has the same effect, but a type checker then requires a value from every caller."""
UUID4: Any = Generator("uuid4", create=uuid4, given=True, fits=("uuid",))
"""A random UUID. A caller may set its own."""
UUID4_TEXT: Any = Generator("uuid4_text", create=_uuid_text, given=True, fits=("string",))
"""A random UUID as text, for keys declared `str`."""
UUID7: Any = Generator("uuid7", create=uuid7, given=True, fits=("uuid",))
"""A UUID that sorts by time of creation, which it reveals. A caller may set its own."""
UUID7_TEXT: Any = Generator("uuid7_text", create=_uuid7_text, given=True, fits=("string",))
"""A UUID that sorts by time of creation, as text, for keys declared `str`."""
CREATED: Any = Generator("created", create=now, fits=("datetime",))
UPDATED: Any = Generator("updated", create=now, update=now, fits=("datetime",))
VERSION: Any = Generator("version", create=_one, update=_add_one, fits=("integer",))
"""1 on create, one more on every update, counted by the engine: compare it in `when` for an optimistic lock."""
SEQUENCE: Any = Generator("sequence", sequence=True, fits=("integer",))
"""1, 2, 3, … in the order in which the engine assigns them. No number occurs twice; a failed create leaves a gap."""
SUBJECT: Any = Generator("subject", create=_subject.get, fits=_SUBJECT)
"""The subject of the caller who creates the item, see `acting_as`. It never changes afterwards."""
OWNER: Any = Generator("owner", create=_subject.get, given=True, fits=_SUBJECT)
"""The owner: the generator of an attribute in an `owned` rule. Trusted Python may set another; it never changes afterwards."""

GENERATORS: dict[str, Generator] = {
    one.name: one for one in (UUID4, UUID4_TEXT, UUID7, UUID7_TEXT, CREATED, UPDATED, VERSION, SEQUENCE, SUBJECT, OWNER)
}
"""The generators that a schema may name without the app supplying them."""
