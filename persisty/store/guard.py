"""What stands between a caller and a store: the steps at which access rules have a say, in the order of a verb.

`Guard` holds a caller to its policy; `Trusted` is for code that needs no rules and says yes at every step. Rules travel with queries
and writes as filters; only a new item is looked at here, and an item that an engine gave back because a condition was false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from msgspec import UNSET, structs

from ..errors import Conflict, Forbidden, PersistyError, ScanNotAllowed
from ..model.expressions import ALL, NOTHING, And, Filter
from ..model.generators import OWNER, SUBJECT, acting_as
from ..model.meta import Attribute, StoreMeta
from ..model.validation import May, changes_of, new_item
from ..query.evaluation import Predicate, matcher
from ..query.filter_algebra import combine, follows_links, names_in
from ..query.postconditions import after
from ..query.visibility import View, unrestricted
from ..security.caller import Caller
from ..security.policy import Policy
from ..security.row_filters import equal_to
from .semi_joins import Joins

REMEMBERED = 100
"""Rules that are kept compiled."""
NOBODY: AbstractContextManager[None] = nullcontext()


class Trusted:
    """No rules."""

    caller: Caller | None = None

    def __init__(self, meta: StoreMeta[Any], joins: Joins) -> None:
        self.meta, self._joins = meta, joins
        self.view: View = unrestricted(meta)

    def of(self, meta: StoreMeta[Any]) -> Trusted:
        """The guard of another item for the same caller."""
        return Trusted(meta, self._joins)

    def rows(self, verb: str) -> Filter:
        """The items with which the verb may be done. Raises `Forbidden` or `Unauthenticated` where there can be none."""
        return ALL

    def may(self, verb: str) -> bool:
        """Whether the verb may be done at all."""
        return True

    def does(self, verb: str, item: Any) -> bool:
        """Whether the verb may be done with an item."""
        return True

    def new(self, given: Any, path: str = "") -> Any:
        """A complete, valid item that the caller may create as far as its attributes go."""
        return new_item(self.meta, given, path)

    def check_new(self, items: Sequence[Any]) -> None:
        """Raise unless the rule for `create` holds of the new items."""

    def changes(self, given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """Valid changes that the caller may make as far as the attributes go."""
        return changes_of(self.meta, given, path)

    def condition(self, verb: str, changes: Mapping[str, Any]) -> Filter:
        """What has to hold of an item for the caller to update it so, or to delete it."""
        return ALL

    def visible(self, item: Any) -> bool:
        """May the caller see that the item is there?"""
        return True

    def hold(self, rule: Filter, items: Sequence[Any]) -> list[bool]:
        """Does a rule, as `rows` gave it, hold of each item?"""
        return [True] * len(items)

    def permits(self, condition: Filter, item: Any) -> bool:
        """Does the condition hold of an item that was given back?"""
        return self._joins.hold(self.meta, condition, [item])[0]

    def shown(self, items: list[Any]) -> list[Any]:
        """The items, None among them, with what the caller may see of them."""
        return items

    def told(self, error: PersistyError) -> PersistyError:
        """The error with what the caller may see."""
        return error

    def written(self, item: Any) -> Any:
        """What the caller may see of an item that it wrote."""
        return item

    def refusal(self, what: str = "") -> PersistyError:
        """The error of what the caller may not do."""
        return Forbidden(what)


class Guard(Trusted):
    """The rules of one caller."""

    def __init__(self, policy: Policy, joins: Joins) -> None:
        self.meta, self.caller = policy.meta, policy.caller
        self._policy, self._joins = policy, joins
        self._tests: dict[int, tuple[Filter, Predicate | None, frozenset[str]]] = {}

    @property
    def view(self) -> View:  # type: ignore[override]  # made when it is first needed
        return self._policy.view

    def of(self, meta: StoreMeta[Any]) -> Guard:
        return Guard(self._policy.of(meta), self._joins)

    def rows(self, verb: str) -> Filter:
        found = self._policy.rows(verb)
        if found == NOTHING:
            raise self.refusal(f"{verb} of {self.meta.name} is not for you")
        return found

    def may(self, verb: str) -> bool:
        return self._policy.may(verb)

    def does(self, verb: str, item: Any) -> bool:
        return self.hold(self._policy.rows(verb), [item])[0]

    def new(self, given: Any, path: str = "") -> Any:
        self.rows("create")
        with self._acting():
            return new_item(self.meta, given, path, may=self._gives("creatable"))

    def check_new(self, items: Sequence[Any]) -> None:
        where = combine(And, [self.rows("create"), *self._owned()])
        if not all(self.hold(where, items)):
            raise self.refusal(f"create of such a {self.meta.name} is not for you")
        for name in self._conditional("creatable"):
            allowed = self.hold(self._policy.gives(self.meta.attributes[name], "creatable"), items)
            default = self.meta.attributes[name].default
            if any(
                not fine and self.meta.attributes[name].get(one) != default
                for fine, one in zip(allowed, items, strict=True)
            ):
                raise self.refusal(f"{name} of such a {self.meta.name} is not for you to give")

    def changes(self, given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        self.rows("update")
        with self._acting():
            return changes_of(self.meta, given, path, may=self._gives("updatable"))

    def condition(self, verb: str, changes: Mapping[str, Any]) -> Filter:
        """The rule of the verb before, and after an update too, and those of the attributes that change."""
        rule = self.rows(verb)
        given = [name for name in self._conditional("updatable") if name in changes]
        if given:
            gives = self._policy.gives
            rule = combine(And, [rule, *(gives(self.meta.attributes[name], "updatable") for name in given)])
        if rule is ALL or self._test(rule)[2].isdisjoint(changes):
            return rule
        then = after(self.meta, rule, changes, self._joins.there)
        if then == NOTHING:
            raise self.refusal(f"{verb} of {self.meta.name} to this is not for you")
        return combine(And, [rule, then])

    def visible(self, item: Any) -> bool:
        return self.hold(self._policy.rows("read"), [item])[0]

    def hold(self, rule: Filter, items: Sequence[Any]) -> list[bool]:
        if rule in (ALL, NOTHING):
            return [rule == ALL] * len(items)
        test = self._test(rule)[1]
        return self._joins.hold(self.meta, rule, items) if test is None else list(map(test, items))

    def _test(self, rule: Filter) -> tuple[Filter, Predicate | None, frozenset[str]]:
        """(the rule, what tells whether it holds unless it goes through links, the attributes it is about). Rules live as long as their
        policy, so that what is compiled of one is known by its identity."""
        found = self._tests.get(id(rule))
        if found is None:
            if len(self._tests) >= REMEMBERED:
                self._tests.clear()
            test = None if follows_links(rule) else matcher(self.meta, rule)
            found = self._tests[id(rule)] = (rule, test, names_in(rule))
        return found

    def shown(self, items: list[Any]) -> list[Any]:
        view = self.view
        if not view.hidden and not view.partial:
            return items
        present = [one for one in items if one is not None]
        hidden = dict.fromkeys(view.hidden, UNSET)
        masks: list[dict[str, Any]] = [dict(hidden) for _ in present]
        for name, seen in view.partial.items():
            for mask, fine in zip(masks, self.hold(seen, present), strict=True):
                if not fine:
                    mask[name] = UNSET
        masked = iter([structs.replace(one, **mask) if mask else one for one, mask in zip(present, masks, strict=True)])
        return [None if one is None else next(masked) for one in items]

    def told(self, error: PersistyError) -> PersistyError:
        if isinstance(error, Conflict) and not self.view.attributes.keys() >= set(error.details.get("attributes", ())):
            return Conflict()
        return ScanNotAllowed() if isinstance(error, ScanNotAllowed) else error

    def refusal(self, what: str = "") -> PersistyError:
        return self._policy.refusal(what)

    def written(self, item: Any) -> Any:
        """Of an item that the caller made, and may not read, only the key."""
        if self._policy.rows("read") == ALL or self.visible(item):
            return self.shown([item])[0]
        hidden = {name: UNSET for name in self.meta.attributes if name not in self.meta.key.attributes}
        return structs.replace(item, **hidden)

    def _acting(self) -> AbstractContextManager[None]:
        return acting_as(self._policy.caller.subject) if _subjects(self.meta) else NOBODY

    def _gives(self, flag: str) -> May:
        def may(attribute: Attribute) -> bool | None:
            if self._policy.gives(attribute, flag) != NOTHING:
                return True
            return None if attribute.name in self.view.hidden else False

        return may

    def _conditional(self, flag: str) -> Iterable[str]:
        """The attributes that the caller may give on some items only."""
        for name in _ruled(self.meta, flag):
            if self._policy.gives(self.meta.attributes[name], flag) not in (ALL, NOTHING):
                yield name

    def _owned(self) -> list[Filter]:
        """Whose a new item has to be, where the rule for `create` leaves it open."""
        subject = self._policy.caller.subject
        said = self.meta.rule("create").owners
        return [
            equal_to(self.meta, name, () if subject is None else (subject,))
            for name in _owners(self.meta)
            if name not in said
        ]


@cache
def _subjects(meta: StoreMeta[Any]) -> bool:
    """Whether any attribute's value is who creates the item."""
    return any(one.generator in (OWNER, SUBJECT) for one in meta.attributes.values())


@cache
def _owners(meta: StoreMeta[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in meta.attributes.values() if one.generator is OWNER)


@cache
def _ruled(meta: StoreMeta[Any], flag: str) -> tuple[str, ...]:
    """The attributes with a rule of their own."""
    return tuple(name for name, one in meta.attributes.items() if getattr(one, flag) not in (True, False))
