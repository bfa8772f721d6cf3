"""Check a filter against an item and bring it into normal form, the form that backends compile.

In normal form, every attribute exists, and every value has the attribute's type and is not None. `And` and `Or` are flat and have
more than one filter, except for the constants `ALL` and `NOTHING`. `Not` wraps only operators without an opposite, and is true for
null. A link has become an `Exists`. Backends rely on this and check nothing again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import structs

from ..errors import Fault, InvalidQuery
from ..model.expressions import ALL, NOTHING, And, Compare, Exists, Filter, Linked, Not, Or, Text
from ..model.meta import Attribute, StoreMeta
from ..model.msgspec_faults import fault_of, pointer
from ..model.types import OPERATORS, Kind, attributes_of, unicode
from ..model.value_validation import operand
from .filter_algebra import combine, exists, narrowed, opposite, visible_where
from .unknown_names import unknown_name
from .visibility import View, unrestricted

MAX_COMPARISONS, MAX_VALUES, MAX_LEVELS, MAX_LINKS = 200, 1_000, 50, 10
"""Limits of a filter, below those of the engines: SQLite's expressions are at most 1,000 levels deep, and so is Python's
stack, of which each level of a filter needs several frames."""
PLUS = re.compile(r"[Tt][\d:.]+ \d\d:?\d\d$")
"""A time whose `+` a URL has turned into a space."""
MAX_LINKS_NESTED = 5
"""The most links that follow each other. A link through a join item counts as two. Links in access rules behind a link count, too. The stack of
SQLite's parser has 100 entries, and a subquery needs ten."""


class Resolved(Filter, frozen=True):
    """A filter in normal form for one view. A query of the same view does not check it again."""

    where: Filter
    view: View


def resolve_filter(
    meta: StoreMeta[Any], where: Filter | None, path: str = "/where", view: View | None = None
) -> Filter:
    """Return the filter in normal form. Raise `InvalidQuery` with every fault.

    None means every item. `view`: the attributes that the filter may name.
    """
    if where is None or where == ALL:
        return ALL
    seen = view or unrestricted(meta)
    if isinstance(where, Resolved):
        if where.view is seen:
            return where.where
        where = where.where
    _check_levels(where, path)
    faults: list[Fault] = []
    return _checked(seen, _resolve(seen, where, path, False, faults), path, faults)


def resolved_leaves(view: View, where: Filter, path: str) -> Resolved:
    """Bring a filter into normal form whose comparisons already are, as `compare` returns them."""
    if (
        type(where) is Compare and where.operator != "oneof" and not view.partial
    ):  # the fast path: one comparison, all attributes visible
        return Resolved(where, view)
    _check_levels(where, path)
    faults: list[Fault] = []
    return Resolved(_checked(view, _resolve(view, where, path, False, faults, _as_is), path, faults), view)


def _check_levels(where: Filter, path: str) -> None:
    if _deeper(where, MAX_LEVELS):
        raise InvalidQuery(faults=[Fault(path, f"Nested more than {MAX_LEVELS} levels deep", f"at most {MAX_LEVELS}")])


def _checked(view: View, resolved: Filter, path: str, faults: list[Fault]) -> Filter:
    faults = faults or _too_large(resolved, path)
    if faults:
        raise InvalidQuery(faults=faults)
    return narrowed(resolved, view)


def _deeper(where: Filter, levels: int) -> bool:
    """Return whether the filter has more than `levels` levels of and, or and not."""
    match where:
        case And(filters) | Or(filters):
            return levels == 0 or any(_deeper(one, levels - 1) for one in filters)
        case Not(inner) | Linked(where=Filter() as inner):
            return levels == 0 or _deeper(inner, levels - 1)
    return False


def _too_large(where: Filter, path: str) -> list[Fault]:
    if isinstance(where, Compare) and where.operator != "oneof":
        return []
    leaves = [*_leaves(where)]
    found = [one for one in leaves if isinstance(one, Compare)]
    values = sum(len(one.value) for one in found if one.operator == "oneof")
    sizes = (
        ("comparisons", len(found), MAX_COMPARISONS),
        ("values in oneof", values, MAX_VALUES),
        ("links", len(leaves) - len(found), MAX_LINKS),
    )
    found_faults = [
        Fault(path, f"Too many {what}", f"at most {most}", str(size)) for what, size, most in sizes if size > most
    ]
    nested = links_nested(where) if len(leaves) > len(found) else 0
    if nested > MAX_LINKS_NESTED and not found_faults:
        found_faults.append(
            Fault(path, "Too many links that follow each other", f"at most {MAX_LINKS_NESTED}", str(nested))
        )
    return found_faults


def links_nested(where: Filter) -> int:
    """Return the greatest number of links of a resolved filter that follow each other."""
    match where:
        case Exists(where=inner):
            return 1 + links_nested(inner)
        case Not(inner):
            return links_nested(inner)
        case And(filters) | Or(filters):
            return max(map(links_nested, filters), default=0)
    return 0


def _leaves(where: Filter) -> Iterator[Compare | Exists]:
    match where:
        case Compare():
            yield where
        case Exists(where=inner):
            yield where
            yield from _leaves(inner)
        case Not(inner):
            yield from _leaves(inner)
        case And(filters) | Or(filters):
            for one in filters:
                yield from _leaves(one)


def compare(
    attribute: Attribute,
    operator: str,
    value: Any,
    path: str,
    faults: list[Fault],
    *,
    strict: bool = True,
) -> Filter:
    """Return one comparison in normal form. `strict=False` also reads values from text, as in URLs."""
    kinds = OPERATORS.get(operator)
    if kinds is None or attribute.kind not in kinds:
        known = [other for other, applies in OPERATORS.items() if attribute.kind in applies]
        message = "Unknown operator" if kinds is None else f"Not for {attributes_of(attribute.kind)}"
        faults.append(Fault(path, message, "one of " + ", ".join(known), operator))
        return NOTHING
    try:
        return SHAPES.get(operator, _plain)(attribute, operator, value, strict)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        fault = fault_of(error, path, attribute.operand)
        if not strict and isinstance(value, str) and PLUS.search(value):
            fault = structs.replace(fault, expected=f"{fault.expected}. Write + as %2B in a URL")
        faults.append(fault)
        return NOTHING


def _plain(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    return Compare(attribute.name, operator, _value(attribute, value, strict))


def _value(attribute: Attribute, value: Any, strict: bool) -> Any:
    if value is None:
        raise ValueError(f"Expected {attribute.kind}, got null")
    return operand(attribute, value, strict=strict)


def _equality(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    if value is None:
        return Compare(attribute.name, "null", operator == "eq")
    return _plain(attribute, operator, value, strict)


def _oneof(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"Expected an array of {attribute.kind}")
    given = list(value)
    values = tuple(dict.fromkeys(_value(attribute, one, strict) for one in given if one is not None))
    terms: list[Filter] = (
        [Compare(attribute.name, "null", True)] if len(given) > sum(v is not None for v in given) else []
    )
    if len(values) == 1:
        terms.append(Compare(attribute.name, "eq", values[0]))
    elif values:
        terms.append(Compare(attribute.name, operator, values))
    return combine(Or, terms)


def _text(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    return Compare(attribute.name, operator, _value(attribute, value, True))


def _null(attribute: Attribute, operator: str, value: Any, strict: bool) -> Filter:
    return Compare(attribute.name, operator, msgspec.convert(value, bool, strict=strict))


SHAPES: dict[str, Callable[[Attribute, str, Any, bool], Filter]] = {
    "eq": _equality,
    "ne": _equality,
    "oneof": _oneof,
    "contains": _text,
    "startswith": _text,
    "endswith": _text,
    "icontains": _text,
    "null": _null,
}
"""Operator → function that reads its value. All other operators take one value of the attribute's type."""


Leaf = Callable[[View, Compare, str, list[Fault]], Filter]
"""Function that brings a comparison into normal form."""


def _typed(view: View, where: Compare, path: str, faults: list[Fault]) -> Filter:
    name, operator, value = where.attribute, where.operator, where.value
    attribute = view.find(name)
    step, _, rest = name.partition(".")
    if attribute is None and step in view.meta.links:
        return _through(view, step, Compare(rest, operator, value), path + pointer(step), faults, _typed)
    path += pointer(name, operator)
    if attribute is None:
        faults.append(unknown_name(view, name, path))
        return NOTHING
    return compare(attribute, operator, value, path, faults)


def _as_is(view: View, where: Compare, path: str, faults: list[Fault]) -> Filter:
    return where


def _resolve(view: View, where: Filter, path: str, negate: bool, faults: list[Fault], leaf: Leaf = _typed) -> Filter:
    match where:
        case Compare():
            found = leaf(view, where, path, faults)
            return opposite(view.meta, found) if negate else found
        case Resolved(inner):
            return opposite(view.meta, inner) if negate else inner
        case Linked(name, inner):
            found = _through(view, name, inner, path + pointer(name), faults, leaf)
            return opposite(view.meta, found) if negate else found
        case Exists():
            return Not(where) if negate else where
        case Text(words):
            found = mentions(view, words, path + "/query", faults)
            return _resolve(view, found, path, negate, faults, _as_is)
        case And(filters):
            parts = [
                _resolve(view, one, path + pointer("and", i), negate, faults, leaf) for i, one in enumerate(filters)
            ]
            return combine(Or if negate else And, parts)
        case Or(filters):
            parts = [
                _resolve(view, one, path + pointer("or", i), negate, faults, leaf) for i, one in enumerate(filters)
            ]
            return combine(And if negate else Or, parts)
        case Not(inner):
            return _resolve(view, inner, path + pointer("not"), not negate, faults, leaf)
    faults.append(Fault(path, "Not a filter", f"a filter such as {_example(view)}", type(where).__name__))
    return NOTHING


def _example(view: View) -> str:
    """Return a comparison of the item's key, as Python code."""
    return f"{view.meta.item.__name__}.{view.meta.key.attributes[0]} == value"


def _through(view: View, name: str, where: Filter | None, path: str, faults: list[Fault], leaf: Leaf) -> Filter:
    """Return the filter for items with a linked item that the view sees and that matches."""
    found = view.link(name)
    if found is None:
        faults.append(unknown_name(view, name, path))
        return NOTHING
    link, behind = found
    inner = ALL if where is None else _resolve(behind, where, path, False, faults, leaf)
    return exists(
        link.ends,
        combine(And, [narrowed(inner, behind), behind.row_filter, visible_where(behind, link.ends.remote)]),
        view,
    )


def mentions(view: View, text: Any, path: str, faults: list[Fault]) -> Filter:
    """Return the filter of a text search: each word occurs in some text attribute, ignoring case. Without words, match all.

    Words are made distinct, and counted against `MAX_COMPARISONS` before any comparison is built.
    """
    names = [one.name for one in view.attributes.values() if one.kind is Kind.STRING]
    try:
        if not names:
            raise ValueError(f"No attribute of {view.meta.name} is text")
        words = list(dict.fromkeys(unicode(msgspec.convert(text, str)).split()))
    except (msgspec.ValidationError, ValueError) as error:
        faults.append(fault_of(error, path))
        return NOTHING
    size = len(words) * len(names)
    if size > MAX_COMPARISONS:
        faults.append(Fault(path, "Too many comparisons", f"at most {MAX_COMPARISONS}", str(size)))
        return NOTHING
    return combine(And, [combine(Or, [Compare(name, "icontains", word) for name in names]) for word in words])
