"""Check orders and lists of attributes against an item: every attribute exists, and every order becomes total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import Fault, InvalidQuery
from ..model.expressions import AttributeExpression, OrderBy, name_of
from ..model.meta import Attribute, StoreMeta
from ..model.msgspec_faults import pointer
from ..model.types import attributes_of
from .unknown_names import unknown_attribute
from .visibility import View

Order = OrderBy | AttributeExpression[Any] | str | Iterable[OrderBy | AttributeExpression[Any] | str] | None


def resolve_order(
    meta: StoreMeta[Any], order: Order, path: str = "/order", view: View | None = None
) -> tuple[OrderBy, ...]:
    """Return the order with the key appended to make it total, or () without an order. Raise `InvalidQuery` with every fault.

    A term is `Message.created_at.desc()`, `Message.created_at`, or text: `"created_at"`, `"-created_at"`.
    """
    if order is None:
        return ()
    if isinstance(order, (str, OrderBy, AttributeExpression)):  # a tuple, because `A | B` would be built at every call
        terms: list[Any] = [order]
    elif isinstance(order, Iterable):
        terms = list(order)
    else:
        raise InvalidQuery(faults=[Fault(path, "Not an order", "attributes", type(order).__name__)])
    faults: list[Fault] = []
    known = meta.attributes if view is None else view.always_visible
    total: dict[str, OrderBy] = {}
    for position, term in enumerate(terms):
        one = _order_by(term)
        attribute = known.get(one.attribute) if one else None
        where = path + pointer(position)
        if one is None or attribute is None:
            faults.append(unknown_attribute(known, term, where, lambda one: one.sortable))
        elif not attribute.sortable:
            faults.append(Fault(where, f"No order of {attributes_of(attribute.kind)}", found=one.attribute))
        else:
            total.setdefault(one.attribute, one)
    if faults:
        raise InvalidQuery(faults=faults)
    if total:
        for name in meta.key.attributes:
            total.setdefault(name, OrderBy(name))
    return tuple(total.values())


def resolve_attributes(
    known: Mapping[str, Attribute],
    given: Iterable[AttributeExpression[Any] | str] | AttributeExpression[Any] | str,
    path: str,
    allowed: Callable[[Attribute], bool] = lambda _: True,
) -> tuple[str, ...]:
    """Return the names of at least one attribute, each once. Raise `InvalidQuery` with every fault. `allowed`: see `unknown_attribute`."""
    if not isinstance(given, Iterable | AttributeExpression):
        raise InvalidQuery(faults=[Fault(path, "Not attributes", "attributes", type(given).__name__)])
    listed = [given] if isinstance(given, str | AttributeExpression) else list(given)
    names = [name_of(one) if isinstance(one, AttributeExpression) else one for one in listed]
    faults = [
        unknown_attribute(known, name, path + pointer(position), allowed)
        for position, name in enumerate(names)
        if not isinstance(name, str) or name not in known
    ]
    if faults or not names:
        raise InvalidQuery(faults=faults or [Fault(path, "No attributes", "at least one")])
    return tuple(dict.fromkeys(names))


def _order_by(term: OrderBy | AttributeExpression[Any] | str) -> OrderBy | None:
    match term:
        case OrderBy():
            return term
        case AttributeExpression():
            return OrderBy(name_of(term))
        case str():
            return OrderBy(term.removeprefix("-"), term.startswith("-"))
    return None
