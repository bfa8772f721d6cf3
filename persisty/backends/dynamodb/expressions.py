"""Filters as DynamoDB expressions, with every name and value as a placeholder.

`native` returns whether DynamoDB can decide a filter; `split` splits off the rest, which the matcher evaluates.
An item that lacks an attribute matches a comparison if the attribute's default does (`codec.absent`).
Source of the grammar: "Condition and filter expressions, operators, and functions" in the DynamoDB Developer Guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...model.expressions import ALL, And, Compare, Exists, Filter, Not, Or
from ...model.meta import StoreMeta
from ...model.types import Kind
from ...query.filter_algebra import combine, names_in
from ...query.filter_shape import Shape, shape
from .codec import WireCodec
from .wire_kinds import NULL

MAX_IN = 100
"""Most operands of an IN."""
MAX_WEIGHT = 64
"""Most comparisons of an expression; an operand of an IN counts an eighth. DynamoDB takes 300 operators and 4 KB:
a comparison has up to 4 operators and 48 bytes, an operand 6 bytes."""


class Expression:
    """Collects the placeholders of one request."""

    def __init__(self, meta: StoreMeta[Any], codec: WireCodec) -> None:
        self._meta, self._codec = meta, codec
        self.names: dict[str, str] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self._placed: dict[str, str] = {}

    def name(self, attribute: str) -> str:
        place = self._placed.get(attribute)
        if place is None:
            place = self._placed[attribute] = f"#{len(self._placed)}"
            self.names[place] = self._codec.stored.get(attribute, attribute)
        return place

    def value(self, attribute: str, value: Any) -> str:
        return self.raw(self._codec.value(attribute, value))

    def raw(self, wire: dict[str, Any]) -> str:
        place = f":{len(self.values)}"
        self.values[place] = wire
        return place

    def condition(self, where: Filter) -> str:
        """Return the text of a `native` filter, empty if it is always true."""
        match where:
            case And(filters):
                return " AND ".join(self._grouped(one) for one in filters)
            case Or(()):
                key = self.name(self._meta.key.attributes[0])
                return f"attribute_exists({key}) AND attribute_not_exists({key})"
            case Or(filters):
                return " OR ".join(self._grouped(one) for one in filters)
            case Not(Compare(name, operator, value) as inner):
                text = f"NOT ({COMPARISONS[operator](self, name, value)})"
                if self._codec.absent_matches(inner):
                    return f"{self._absent(name, False)} AND {text}"
                return f"{self._absent(name)} OR {text}"
            case Compare(name, operator, value) as inner:
                text = COMPARISONS[operator](self, name, value)
                matches = self._codec.absent_matches(inner)
                if matches:
                    return f"{self._absent(name)} OR {text}"
                if matches is None or operator != "ne":
                    return text
                return f"{self._absent(name, False)} AND {text}"
        raise TypeError(f"not a resolved filter: {where!r}")

    def projection(self, names: tuple[str, ...]) -> str:
        """Return the text that selects these attributes."""
        return ", ".join(map(self.name, names))

    def payload(self) -> dict[str, Any]:
        """Return the placeholders as members of a request."""
        members: dict[str, Any] = {}
        if self.names:
            members["ExpressionAttributeNames"] = self.names
        if self.values:
            members["ExpressionAttributeValues"] = self.values
        return members

    def _grouped(self, where: Filter) -> str:
        return f"({self.condition(where)})"

    def _binary(self, name: str, sign: str, value: Any) -> str:
        return f"{self.name(name)} {sign} {self.value(name, value)}"

    def _ne(self, name: str, value: Any) -> str:
        different = self._binary(name, "<>", value)
        optional = self._meta.attributes[name].optional and name not in self._codec.absent
        return f"{self._absent(name)} OR {different}" if optional else different

    def _oneof(self, name: str, values: tuple[Any, ...]) -> str:
        chunks = [values[start : start + MAX_IN] for start in range(0, len(values), MAX_IN)]
        return " OR ".join(self._in(name, [self.value(name, value) for value in chunk]) for chunk in chunks)

    def _in(self, name: str, values: list[str]) -> str:
        return f"{self.name(name)} IN ({', '.join(values)})"

    def _absent(self, name: str, absent: bool = True) -> str:
        return f"attribute_{'not_' if absent else ''}exists({self.name(name)})"

    def _null(self, name: str, null: bool) -> str:
        """Return the test of an attribute for null. An item that lacks the attribute has null, or a default. A NULL may be from before a change of the
        default."""
        if name in self._codec.nullable:
            test = f"{self.name(name)} {'=' if null else '<>'} {self.raw(NULL)}"
            return f"{self._absent(name, False)} AND {test}" if null else test
        if null and name in self._codec.absent:
            return f"{self._absent(name)} AND {self._absent(name, False)}"
        if name in self._codec.optional:
            place = self.name(name)
            signs = ("OR", "=") if null else ("AND", "<>")
            return f"{self._absent(name, null)} {signs[0]} {place} {signs[1]} {self.raw(NULL)}"
        return self._absent(name, null)

    def _text(self, function: str, name: str, text: str) -> str:
        return f"{function}({self.name(name)}, {self.value(name, text)})" if text else self._null(name, False)


COMPARISONS: dict[str, Callable[[Expression, str, Any], str]] = {
    "eq": lambda self, name, value: self._binary(name, "=", value),
    "ne": Expression._ne,
    "lt": lambda self, name, value: self._binary(name, "<", value),
    "le": lambda self, name, value: self._binary(name, "<=", value),
    "gt": lambda self, name, value: self._binary(name, ">", value),
    "ge": lambda self, name, value: self._binary(name, ">=", value),
    "oneof": lambda self, name, values: self._oneof(name, values),
    "null": lambda self, name, null: self._null(name, null),
    "startswith": lambda self, name, text: self._text("begins_with", name, text),
    "contains": lambda self, name, text: self._text("contains", name, text),
}
"""Operator → its text. An operator without a row is evaluated locally."""


def shape_of(where: Filter, codec: WireCodec, values: list[dict[str, Any]]) -> Shape:
    """Return the shape of a native filter, which determines its text. Append its values in the order in which `Expression` takes them."""

    def leaf(comparison: Compare | Exists) -> Shape:
        match comparison:
            case Compare(name, "null", null):
                values.extend([NULL] if name in codec.optional else ())
                return ("null", name, null)
            case Compare(name, "oneof", given):
                values.extend(codec.value(name, one) for one in given)
                return ("oneof", name, len(given), codec.absent_matches(comparison))
            case Compare(name, ("startswith" | "contains") as operator, ""):
                values.extend([NULL] if name in codec.optional else ())
                return (operator, name, "")
            case Compare(name, operator, value):
                values.append(codec.value(name, value))
                return (operator, name, codec.absent_matches(comparison))
        raise TypeError(f"not a comparison: {comparison!r}")

    return shape(where, leaf)


def native(meta: StoreMeta[Any], where: Filter) -> bool:
    """Return whether DynamoDB can decide this filter."""
    match where:
        case And(filters) | Or(filters):
            return all(native(meta, one) for one in filters)
        case Not(inner):
            return native(meta, inner)
        case Compare(name, operator, value):
            if name not in meta.attributes:
                return False  # an attribute nested in an object, which is stored as text
            if meta.attributes[name].kind is Kind.STRING and operator == "contains":
                return "\0" not in value  # the escape of a text is not part of it
            return operator in COMPARISONS
    return False


def split(meta: StoreMeta[Any], where: Filter, hidden: frozenset[str] = frozenset()) -> tuple[Filter, Filter]:
    """Return (the part that DynamoDB decides, the rest). `hidden`: attributes that this expression may not mention."""
    if where is ALL or where == ALL:
        return ALL, ALL
    if isinstance(where, Compare) and where.operator != "oneof" and where.attribute not in hidden:
        return (where, ALL) if native(meta, where) else (ALL, where)  # nearly always: `when=Message.version == 1`
    native_parts: list[Filter] = []
    local_parts: list[Filter] = []
    weight_left = float(MAX_WEIGHT)
    for one in where.filters if isinstance(where, And) else (where,):
        fits = native(meta, one) and not names_in(one) & hidden and weight(one) <= weight_left
        (native_parts if fits else local_parts).append(one)
        weight_left -= weight(one) if fits else 0
    return combine(And, native_parts), combine(And, local_parts)


def weight(where: Filter) -> float:
    """Return the weight of a filter in an expression, see `MAX_WEIGHT`."""
    match where:
        case And(filters) | Or(filters):
            return sum(map(weight, filters))
        case Not(inner):
            return weight(inner) + 0.5
        case Compare(_, "oneof", values):
            return 1 + len(values) / 8
    return 1
