"""The guard of one caller: the access rules of a store, evaluated by `persisty.security.policy`, at each step of a verb."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import UNSET, structs

from ..errors import Conflict, PersistyError, ScanNotAllowed
from ..model.expressions import ALL, NOTHING, And, Filter
from ..model.generators import OWNER, SUBJECT, acting_as
from ..model.meta import Attribute, StoreMeta, per_meta
from ..model.validation import May, changes_of, changes_of_all, new_item, new_items
from ..query.evaluation import Predicate, matcher
from ..query.filter_algebra import combine, follows_links, names_in
from ..query.postconditions import after
from ..query.visibility import View
from ..security.policy import Policy, cacheable
from ..security.row_filters import equal_to, without_impossible
from .guard import Guard
from .semi_joins import SemiJoins

MAX_COMPILED = 100
"""Rules whose compiled form is cached."""
NO_SUBJECT: AbstractContextManager[None] = nullcontext()


class CallerGuard(Guard):
    """The rules of one caller."""

    def __init__(self, policy: Policy, semi_joins: SemiJoins) -> None:
        self.meta, self.caller = policy.meta, policy.caller
        self._policy, self._semi_joins = policy, semi_joins
        self._tests: dict[int, tuple[Filter, Predicate | None, frozenset[str]]] = {}
        self._allowed: dict[str, Filter] = {}
        self._lasting = cacheable(self.meta)
        self._of_new: tuple[Filter, tuple[str, ...]] | None = None
        self._settable: dict[str, dict[str, bool | None]] = {}

    @property
    def view(self) -> View:
        return self._policy.view

    def of(self, meta: StoreMeta[Any]) -> Guard:
        return CallerGuard(self._policy.of(meta), self._semi_joins)

    def row_filter(self, verb: str) -> Filter:
        found = self._allowed.get(verb)
        if found is None:
            found = self._policy.row_filter(verb)
            if found == NOTHING and not self._policy.allows(verb):
                raise self.refusal(f"Not allowed: {verb} of {self.meta.name}")
            self._allowed[verb] = found
        return found

    def allows(self, verb: str) -> bool:
        return self._policy.allows(verb)

    def allows_with(self, verb: str, item: Any) -> bool:
        return self.matches(self._policy.row_filter(verb), [item])[0]

    def new(self, given: Any, path: str = "") -> Any:
        self.row_filter("create")
        with self._acting():
            return new_item(self.meta, given, path, may=self.may_set("creatable"))

    def new_all(self, given: Sequence[Any]) -> list[Any] | None:
        self.row_filter("create")
        with self._acting():
            return new_items(self.meta, given, may=self.may_set("creatable"))

    def check_new(self, items: Sequence[Any]) -> None:
        where, conditional = self._creatable()
        if not all(self.matches(where, items)):
            raise self.refusal(f"Not allowed: create of {self.meta.name} with these values")
        for name in conditional:
            allowed = self.matches(self._policy.attribute_filter(self.meta.attributes[name], "creatable"), items)
            default = self.meta.attributes[name].default
            if any(
                not fine and self.meta.attributes[name].get(one) != default
                for fine, one in zip(allowed, items, strict=True)
            ):
                raise self.refusal(f"Not allowed: {name} of {self.meta.name} with these values")

    def _creatable(self) -> tuple[Filter, tuple[str, ...]]:
        """Return the filter of items that the caller may create, and the attributes that it may set on some of them only."""
        found = self._of_new
        if found is None:
            found = combine(And, [self.row_filter("create"), *self._owned()]), tuple(self._conditional("creatable"))
            if self._lasting:
                self._of_new = found
        return found

    def changes(self, given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        self.row_filter("update")
        with self._acting():
            return changes_of(self.meta, given, path, may=self.may_set("updatable"))

    def changes_of_all(self, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
        self.row_filter("update")
        with self._acting():
            return changes_of_all(self.meta, given, may=self.may_set("updatable"))

    def condition(self, verb: str, changes: Mapping[str, Any]) -> Filter:
        """Join the rule of the verb and the rules of the changed attributes. For an update, the rule must match before and after it."""
        rule = self.row_filter(verb)
        given = [name for name in self._conditional("updatable") if name in changes]
        if given:
            attribute_filter = self._policy.attribute_filter
            rule = combine(And, [rule, *(attribute_filter(self.meta.attributes[name], "updatable") for name in given)])
        if rule is ALL or self._test(rule)[2].isdisjoint(changes):
            return rule
        then = after(self.meta, rule, changes, self._semi_joins.leads_to_item)
        if then == NOTHING:
            raise self.refusal(f"Not allowed: {verb} of {self.meta.name} to these values")
        return combine(And, [rule, then])

    def visible(self, item: Any) -> bool:
        return self.matches(self._policy.row_filter("read"), [item])[0]

    def is_met(self, condition: Filter, item: Any) -> bool:
        return self._semi_joins.matches(self.meta, condition, [item])[0]

    def matches(self, rule: Filter, items: Sequence[Any]) -> list[bool]:
        cached = self._tests.get(id(rule))
        if cached is None:
            if rule in (ALL, NOTHING):
                return [rule == ALL] * len(items)
            cached = self._test(rule)
        test = cached[1]
        return self._semi_joins.matches(self.meta, rule, items) if test is None else list(map(test, items))

    def _test(self, rule: Filter) -> tuple[Filter, Predicate | None, frozenset[str]]:
        """Return (the rule, its predicate unless it follows links, the attributes that it names), compiled once.

        The cache is keyed by identity: rules live as long as their policy.
        """
        found = self._tests.get(id(rule))
        if found is None:
            if len(self._tests) >= MAX_COMPILED:
                self._tests.clear()
            test = None if follows_links(rule) else matcher(self.meta, rule)
            found = self._tests[id(rule)] = (rule, test, names_in(rule))
        return found

    def redact(self, items: list[Any]) -> list[Any]:
        view = self.view
        if not view.hidden and not view.partial:
            return items
        present = [one for one in items if one is not None]
        hidden = dict.fromkeys(view.hidden, UNSET)
        masks: list[dict[str, Any]] = [dict(hidden) for _ in present]
        for name, seen in view.partial.items():
            for mask, fine in zip(masks, self.matches(seen, present), strict=True):
                if not fine:
                    mask[name] = UNSET
        masked = iter([structs.replace(one, **mask) if mask else one for one, mask in zip(present, masks, strict=True)])
        return [None if one is None else next(masked) for one in items]

    def redact_error(self, error: PersistyError) -> PersistyError:
        if isinstance(error, Conflict) and not self.view.attributes.keys() >= set(error.details.get("attributes", ())):
            return Conflict()
        return ScanNotAllowed() if isinstance(error, ScanNotAllowed) else error

    def refusal(self, what: str = "") -> PersistyError:
        return self._policy.refusal(what)

    def redact_written(self, item: Any) -> Any:
        """Redact an item that the caller wrote. If the caller may not read it, only the key remains."""
        if self._policy.row_filter("read") == ALL or self.visible(item):
            return self.redact([item])[0]
        hidden = {name: UNSET for name in self.meta.attributes if name not in self.meta.key.attributes}
        return structs.replace(item, **hidden)

    def _acting(self) -> AbstractContextManager[None]:
        return acting_as(self._policy.caller.subject) if _subjects(self.meta) else NO_SUBJECT

    def may_set(self, flag: str) -> May:
        cached = self._settable.setdefault(flag, {})

        def may(attribute: Attribute) -> bool | None:
            name = attribute.name
            if name in cached:
                return cached[name]
            given = self._policy.attribute_filter(attribute, flag) != NOTHING
            found = True if given else None if name in self.view.hidden else False
            if self._lasting:
                cached[name] = found
            return found

        return may

    def _conditional(self, flag: str) -> Iterable[str]:
        """Return the attributes that the caller may set on some items only."""
        for name in _ruled(self.meta, flag):
            if self._policy.attribute_filter(self.meta.attributes[name], flag) not in (ALL, NOTHING):
                yield name

    def _owned(self) -> list[Filter]:
        """Return the filters of the owners that a new item must have, if the rule for `create` does not mention them."""
        subject = self._policy.caller.subject
        in_rule = self.meta.rule("create").owners
        return [
            without_impossible(self.meta, equal_to(self.meta, name, () if subject is None else (subject,)))
            for name in _owners(self.meta)
            if name not in in_rule
        ]


@per_meta
def _subjects(meta: StoreMeta[Any]) -> bool:
    """Return whether a generator of any attribute uses the subject of the caller."""
    return any(one.generator in (OWNER, SUBJECT) for one in meta.attributes.values())


@per_meta
def _owners(meta: StoreMeta[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in meta.attributes.values() if one.generator is OWNER)


@per_meta
def _ruled(meta: StoreMeta[Any], flag: str) -> tuple[str, ...]:
    """Return the attributes that have a rule of their own."""
    return tuple(name for name, one in meta.attributes.items() if getattr(one, flag) not in (True, False))
