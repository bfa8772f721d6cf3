"""A policy: the access rules of an item for one caller. Each rule is compiled to a filter when it is first needed.

A policy has no store. The store separates the conditions that the engine decides from those that can be decided before.
"""

from __future__ import annotations

from typing import Any

from ..errors import Forbidden, PersistyError, Unauthenticated
from ..model.expressions import ALL, NOTHING, And, Filter
from ..model.meta import Attribute, StoreMeta, per_meta
from ..model.rules import Constant, Rule, Through, Where
from ..model.verbs import VERBS
from ..query.filter_algebra import combine
from ..query.visibility import View
from .caller import Caller
from .row_filters import decidable, possible_filter, row_filter


class Policy:
    """The rights of one caller on the items of one declaration."""

    def __init__(
        self, meta: StoreMeta[Any], caller: Caller, others: dict[StoreMeta[Any], Policy] | None = None
    ) -> None:
        self.meta, self.caller = meta, caller
        self._others: dict[StoreMeta[Any], Policy] = {} if others is None else others
        self._row_filters: dict[str, Filter] = {}
        self._forbidden: dict[str, bool] = {}
        self._view: View | None = None

    def of(self, meta: StoreMeta[Any]) -> Policy:
        """Return the same caller's policy for another item."""
        found = self if meta is self.meta else self._others.get(meta)
        if found is None:
            found = self._others[meta] = Policy(meta, self.caller, self._others)
        return found

    def row_filter(self, verb: str) -> Filter:
        """Return the resolved filter of the items on which the caller may use the verb."""
        found = self._row_filters.get(verb)
        if found is None:
            possible = possible_filter(self.meta.rule(verb), self.meta, self.caller)
            found, forbidden = decidable(self.meta, possible), possible == NOTHING
            if VERBS[verb].within_read:
                found = combine(And, [found, self.row_filter("read")])
                forbidden = forbidden or not self.allows("read")
            self._row_filters[verb], self._forbidden[verb] = found, forbidden
        return found

    def allows(self, verb: str) -> bool:
        """Return whether the verb is allowed, on some items or on none: a rule may compare an attribute with a claim of another type, which no item
        can match."""
        return self.row_filter(verb) != NOTHING or not self._forbidden[verb]

    def refusal(self, message: str = "") -> PersistyError:
        """Return the error for a forbidden action: `Unauthenticated` for an anonymous caller, else `Forbidden`."""
        return Forbidden(message) if self.caller.authenticated else Unauthenticated(message)

    @property
    def view(self) -> View:
        """The part of an item that a query of the caller may name."""
        if self._view is None:
            self._view = self._seen()
        return self._view

    def attribute_filter(self, attribute: Attribute, flag: str) -> Filter:
        """Return the filter for items on which the caller may set this attribute: the new item on create, the item before and after on update."""
        rule: Rule | bool = getattr(attribute, flag)
        if isinstance(rule, bool):
            return ALL if rule else NOTHING
        return row_filter(rule, self.meta, self.caller)

    def _seen(self) -> View:
        hidden: set[str] = set()
        partial: dict[str, Filter] = {}
        for attribute in _restricted(self.meta):
            seen = self.attribute_filter(attribute, "readable")
            if seen == NOTHING:
                hidden.add(attribute.name)
            elif seen != ALL:
                partial[attribute.name] = seen
        return View(self.meta, frozenset(hidden), partial, self.row_filter("search"), self._view_of)

    def _view_of(self, meta: StoreMeta[Any]) -> View:
        return self.of(meta).view


@per_meta
def _restricted(meta: StoreMeta[Any]) -> tuple[Attribute, ...]:
    return tuple(one for one in meta.attributes.values() if one.readable is not True)


@per_meta
def cacheable(meta: StoreMeta[Any]) -> bool:
    """Return whether the filters for a caller can be cached. A function may decide differently each time."""
    accesses = [meta.access, *(link.ends.target.access for link in meta.links.values())]
    rules = [rule for one in meta.attributes.values() for rule in _flags(one) if isinstance(rule, Rule)]
    return all(one is None or one.cacheable for one in (*accesses, *rules))


def looks_at_caller(meta: StoreMeta[Any]) -> bool:
    """Return whether a caller's rights on the items depend on its identity."""
    rules = [meta.rule(verb) for verb in sorted(VERBS)]
    return any(map(personal, [*rules, *(rule for one in meta.attributes.values() for rule in _flags(one))]))


def personal(rule: Rule | bool) -> bool:
    """Return whether the decision of the rule depends on the caller."""
    if not isinstance(rule, Rule) or isinstance(rule, Constant | Where):
        return False
    parts = (rule.rule,) if isinstance(rule, Through) else rule.parts
    return any(map(personal, parts)) if parts else True


def _flags(attribute: Attribute) -> tuple[Rule | bool, ...]:
    return (attribute.readable, attribute.creatable, attribute.updatable)
