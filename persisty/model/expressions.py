"""Filters, orders and aggregates as frozen data, and the attributes that build them.

`Message.author_id == me` builds a `Compare`, `&`, `|` and `~` combine filters, `Message.created_at.desc()` builds an
`OrderBy`, `Message.rank.max()` an `Aggregate`. The trees are independent of an item's types; `persisty.query` resolves, evaluates and parses these trees and the
backends compile them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

T_co = TypeVar("T_co", covariant=True)

SYMBOLS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
"""Operators with a symbol in Python."""


class Filter(Struct, frozen=True, tag_field="kind"):
    """A predicate over one item. Combine with `&`, `|`, `~`; never use it as a truth value. As text it reads like Python."""

    def __and__(self, other: Filter) -> Filter:
        return And((*self.filters, other) if isinstance(self, And) else (self, other))

    def __or__(self, other: Filter) -> Filter:
        return Or((*self.filters, other) if isinstance(self, Or) else (self, other))

    def __invert__(self) -> Filter:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise TypeError("a filter has no truth value: combine filters with & | ~ and put comparisons in parentheses")


class Compare(Filter, frozen=True, tag="compare"):
    """`attribute operator value`; the operators are the keys of `persisty.model.types.OPERATORS`.

    The attribute of a nested object is named with its path: `place.city`.
    """

    attribute: str
    operator: str
    value: Any

    def __str__(self) -> str:
        if self.operator == "null":
            return f"{self.attribute} {'==' if self.value else '!='} None"
        if self.operator in SYMBOLS:
            return f"{self.attribute} {SYMBOLS[self.operator]} {self.value!r}"
        return f"{self.attribute}.{self.operator}({self.value!r})"


class Text(Filter, frozen=True, tag="query"):
    """Every word of `text` occurs, case-folded, in some attribute that is text."""

    text: str

    def __str__(self) -> str:
        return f"query={self.text!r}"


class Linked(Filter, frozen=True, tag="linked"):
    """Some item at the other end of a link matches `where`, or exists at all without it."""

    link: str
    where: Filter | None = None

    def __str__(self) -> str:
        return f"{self.link}.any({'' if self.where is None else self.where})"


class Exists(Filter, frozen=True):
    """A resolved link: some item of `meta` matches `where`, and its `other` equals this item's `attribute`. Null does not equal null."""

    attribute: str
    meta: Any
    other: str
    where: Filter

    def __repr__(self) -> str:
        return f"Exists({self.attribute!r}, {self.meta.name!r}, {self.other!r}, {self.where!r})"

    def __str__(self) -> str:
        return f"{self.meta.name}.{self.other} == {self.attribute} and there {self.where}"


class And(Filter, frozen=True, tag="and"):
    filters: tuple[Filter, ...]

    def __str__(self) -> str:
        return " & ".join(f"({one})" for one in self.filters) or "every item"


class Or(Filter, frozen=True, tag="or"):
    filters: tuple[Filter, ...]

    def __str__(self) -> str:
        return " | ".join(f"({one})" for one in self.filters) or "no item"


class Not(Filter, frozen=True, tag="not"):
    filter: Filter

    def __str__(self) -> str:
        return f"~({self.filter})"


FILTERS: tuple[type[Filter], ...] = (Compare, Text, Linked, And, Or, Not)
"""The filters that a schema may contain."""

ALL = And(())
"""True for every item."""
NOTHING = Or(())
"""False for every item."""


class OrderBy(Struct, frozen=True):
    """One term of an order. Nulls come last in both directions."""

    attribute: str
    descending: bool = False


class Aggregate(Struct, frozen=True):
    """A measure of a group of items: `count`, or `min`, `max`, `sum`, `avg` of an attribute."""

    function: str
    attribute: str | None = None


COUNT = Aggregate("count")
"""The number of items."""

Fields = Mapping[str, "Fields"]
"""The fields of a nested object by name, each with its own."""


class Dataclass(Protocol):
    """The protocol of dataclasses, for type checkers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Nested = Struct | Dataclass
"""Values with attributes of their own."""
Number = int | float | Decimal
Ordered = str | bytes | Number | datetime | date | UUID
"""Values that can be compared by `<`."""


class AttributeExpression(Generic[T_co]):
    """An attribute on its class, `Message.author_id`: builds filters, orders and aggregates. On an instance, the attribute is its value.

    It is a data descriptor around the slot that msgspec made, so instances stay plain and fast to encode. The attribute of
    a nested object is `Order.address.city`, or `Order.address["name"]` where a method here has the field's name.

    `T_co` is the type of the values, without None. The type of `self` restricts a method to the values that have it: `contains` to text,
    `sum` to numbers. That requires a covariant type, and mypy refuses operands of a covariant type unless it is ignored.
    """

    __slots__ = ("_fields", "_get", "_name", "_set")
    __hash__ = object.__hash__
    __iter__ = None

    def __init__(
        self, name: str, get: Callable[[Any], Any], set_: Callable[[Any, Any], None] | None, fields: Fields
    ) -> None:
        self._name, self._get, self._set, self._fields = name, get, set_, fields

    def __get__(self, item: Any, owner: type | None = None) -> Any:
        return self if item is None else self._get(item)

    def __set__(self, item: Any, value: Any) -> None:
        if self._set is None:
            raise AttributeError(f"{self._name} is part of another attribute")
        self._set(item, value)

    def __getattr__(self: AttributeExpression[Nested], field: str) -> AttributeExpression[Any]:
        if field not in self._fields:
            raise AttributeError(f"the attribute {self._name} has no field {field}")
        return AttributeExpression(f"{self._name}.{field}", self._get, None, self._fields[field])

    def __getitem__(self: AttributeExpression[Nested], field: str) -> AttributeExpression[Any]:
        if field not in self._fields:
            raise KeyError(field)
        return AttributeExpression(f"{self._name}.{field}", self._get, None, self._fields[field])

    def __repr__(self) -> str:
        return f"<attribute {self._name}>"

    def below(self, link: str) -> AttributeExpression[T_co]:
        """Return this attribute of an item at the other end of a link."""
        return AttributeExpression(f"{link}.{self._name}", self._get, None, self._fields)

    def __eq__(self, value: T_co | None) -> Filter:  # type: ignore[override]  # a filter, where object gives a bool
        return Compare(self._name, "eq", value)

    def __ne__(self, value: T_co | None) -> Filter:  # type: ignore[override]  # a filter, where object gives a bool
        return Compare(self._name, "ne", value)

    def __lt__(self: AttributeExpression[Ordered], value: T_co) -> Filter:  # type: ignore[misc]  # covariant
        return Compare(self._name, "lt", value)

    def __le__(self: AttributeExpression[Ordered], value: T_co) -> Filter:  # type: ignore[misc]  # covariant
        return Compare(self._name, "le", value)

    def __gt__(self: AttributeExpression[Ordered], value: T_co) -> Filter:  # type: ignore[misc]  # covariant
        return Compare(self._name, "gt", value)

    def __ge__(self: AttributeExpression[Ordered], value: T_co) -> Filter:  # type: ignore[misc]  # covariant
        return Compare(self._name, "ge", value)

    def oneof(self, values: Collection[T_co | None]) -> Filter:
        """The value is one of `values`; never true for an empty collection."""
        return Compare(self._name, "oneof", values if isinstance(values, str | bytes) else tuple(values))

    def contains(self: AttributeExpression[str], text: str) -> Filter:
        """The text occurs in the value, case-sensitively."""
        return Compare(self._name, "contains", text)

    def startswith(self: AttributeExpression[str], text: str) -> Filter:
        return Compare(self._name, "startswith", text)

    def endswith(self: AttributeExpression[str], text: str) -> Filter:
        return Compare(self._name, "endswith", text)

    def icontains(self: AttributeExpression[str], text: str) -> Filter:
        """The text occurs in the value when both are case-folded (Unicode)."""
        return Compare(self._name, "icontains", text)

    def is_null(self, null: bool = True) -> Filter:
        """The value is null, or with `False`, it is not. A missing value is null."""
        return Compare(self._name, "null", null)

    def min(self: AttributeExpression[Ordered]) -> Aggregate:
        """The least value; None if every value is null."""
        return Aggregate("min", self._name)

    def max(self: AttributeExpression[Ordered]) -> Aggregate:
        """The greatest value; None if every value is null."""
        return Aggregate("max", self._name)

    def sum(self: AttributeExpression[Number]) -> Aggregate:
        """The sum of the values; 0 if every value is null."""
        return Aggregate("sum", self._name)

    def avg(self: AttributeExpression[Number]) -> Aggregate:
        """The mean of the values that are not null; None if every value is null."""
        return Aggregate("avg", self._name)

    def asc(self) -> OrderBy:
        return OrderBy(self._name)

    def desc(self) -> OrderBy:
        return OrderBy(self._name, descending=True)


def name_of(expression: AttributeExpression[Any]) -> str:
    """Return the attribute's name, such as `author_id`, or its path, such as `place.city`."""
    return expression._name
