"""The language that attributes speak: filters and orders as frozen data.

`Message.author_id == me` builds a `Compare`, `&`, `|` and `~` combine filters, `Message.created_at.desc()` builds an
`OrderBy`. Nothing here knows an item's types; `persisty.query` resolves, evaluates and parses these trees and the
backends compile them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NoReturn

from msgspec import Struct

from ..errors import InvalidQuery


class Filter(Struct, frozen=True):
    """A predicate over one item. Combine with `&`, `|`, `~`; never use it as a truth value."""

    def __and__(self, other: Filter) -> Filter:
        return And((*self.filters, other) if isinstance(self, And) else (self, other))

    def __or__(self, other: Filter) -> Filter:
        return Or((*self.filters, other) if isinstance(self, Or) else (self, other))

    def __invert__(self) -> Filter:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise TypeError("a filter has no truth value: combine filters with & | ~ and put comparisons in parentheses")


class Compare(Filter, frozen=True):
    """`attribute operator value`; the operators are the keys of `persisty.model.types.OPERATORS`."""

    attribute: str
    operator: str
    value: Any


class And(Filter, frozen=True):
    filters: tuple[Filter, ...]


class Or(Filter, frozen=True):
    filters: tuple[Filter, ...]


class Not(Filter, frozen=True):
    filter: Filter


ALL = And(())
"""True for every item."""
NOTHING = Or(())
"""False for every item."""


class OrderBy(Struct, frozen=True):
    """One term of an order. Nulls come last in both directions."""

    attribute: str
    descending: bool = False


class AttributeExpression:
    """What `Message.author_id` is on the class; on an instance it gives the value.

    It is a data descriptor around the slot that msgspec made, so instances stay plain and fast to encode. `get` reads
    the slot without the cost of a Python call frame per level.
    """

    __slots__ = ("get", "name", "set")
    __hash__ = object.__hash__

    def __init__(self, name: str, get: Callable[[Any], Any], set_: Callable[[Any, Any], None]) -> None:
        self.name, self.get, self.set = name, get, set_

    def __get__(self, item: Any, owner: type | None = None) -> Any:
        return self if item is None else self.get(item)

    def __set__(self, item: Any, value: Any) -> None:
        self.set(item, value)

    def __repr__(self) -> str:
        return f"<attribute {self.name}>"

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]
        return Compare(self.name, "eq", value)

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]
        return Compare(self.name, "ne", value)

    def __lt__(self, value: Any) -> Filter:
        return Compare(self.name, "lt", value)

    def __le__(self, value: Any) -> Filter:
        return Compare(self.name, "le", value)

    def __gt__(self, value: Any) -> Filter:
        return Compare(self.name, "gt", value)

    def __ge__(self, value: Any) -> Filter:
        return Compare(self.name, "ge", value)

    def oneof(self, values: Collection[Any]) -> Filter:
        """The value is one of `values`; never true for an empty collection."""
        return Compare(self.name, "oneof", values if isinstance(values, str | bytes) else tuple(values))

    def contains(self, text: str) -> Filter:
        """The text occurs in the value, case-sensitively."""
        return Compare(self.name, "contains", text)

    def startswith(self, text: str) -> Filter:
        return Compare(self.name, "startswith", text)

    def endswith(self, text: str) -> Filter:
        return Compare(self.name, "endswith", text)

    def icontains(self, text: str) -> Filter:
        """The text occurs in the value when both are case-folded (Unicode)."""
        return Compare(self.name, "icontains", text)

    def is_null(self, null: bool = True) -> Filter:
        """The value is null (missing and null are the same), or with `False`, that it is not."""
        return Compare(self.name, "null", null)

    def asc(self) -> OrderBy:
        return OrderBy(self.name)

    def desc(self) -> OrderBy:
        return OrderBy(self.name, descending=True)


def attribute(of: Any) -> AttributeExpression:
    """`Message.text` as what it is on the class, for type checkers, which take it for a `str`:
    `attribute(Message.text).contains("a")`, `attribute(Message.created_at).desc()`. `InvalidQuery` for anything else."""
    if isinstance(of, AttributeExpression):
        return of
    raise InvalidQuery(f"{type(of).__name__} is not an attribute of a stored class")
