"""Preparation of a caller's requests for an engine: conditions joined with access rules, keys, and the writes of edits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from msgspec import UNSET, UnsetType, structs

from ..errors import Fault, InvalidInput, InvalidQuery
from ..model.expressions import ALL, And, Exists, Filter, OrderBy, Text
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..model.msgspec_faults import pointer
from ..model.update_operators import bounds_of
from ..model.value_validation import key_values
from ..query.filter_algebra import all_of, combine, follows_links
from ..query.order import Order, resolve_order
from ..query.resolution import resolve_filter
from . import edits
from .backend import Delete, Patch, Put, Requirement, Write
from .guard import Guard
from .results import Planned
from .semi_joins import SemiJoins

ORDER_TERMS = (str, OrderBy)
"""Types of terms whose total orders are cached."""
KEYED = (edits.Update, edits.Delete)
"""Edits of existing items."""


class Preparation:
    """Plans the requests of one caller for one store."""

    def __init__(self, meta: StoreMeta[Any], guard: Guard, semi_joins: SemiJoins) -> None:
        self.meta, self.guard, self.semi_joins = meta, guard, semi_joins
        self._orders: dict[Any, tuple[OrderBy, ...]] = {}
        self._linked = any(one.kind == "belongs_to" for one in meta.links.values())
        self._checked = [one for one in meta.links.values() if one.kind == "belongs_to" and one.on_delete != "ignore"]

    def where(self, where: Filter | None, path: str = "/where", query: str | None = None) -> Filter:
        """Return the resolved filter. It may name only attributes that the caller may see."""
        if where is None and query is None:
            return ALL
        view = self.guard.view
        resolved = resolve_filter(self.meta, where, path, view)
        if query is None:
            return resolved
        return combine(And, [resolved, resolve_filter(self.meta, Text(query), path, view)])

    def order(self, order: Order) -> tuple[OrderBy, ...]:
        """Return the total order by attributes that the caller may see. Returns () for the engine's own stable order.

        Without an order, cursors contain the values of the index that the engine uses. If the caller may not see some of these, the order is
        that of the keys.
        """
        term = order[0] if type(order) is list and len(order) == 1 else order
        known = self._orders.get(term) if type(term) in ORDER_TERMS else None
        if known is not None:
            return known
        view = self.guard.view
        total = resolve_order(self.meta, order, view=view)
        if total and type(term) in ORDER_TERMS:  # there are only two for each attribute
            self._orders[term] = total
        if total or not (view.hidden or view.partial):
            return total
        indexed = {name for index in self.meta.indexes for name in index.attributes}
        return (
            () if indexed <= view.always_visible.keys() else tuple(OrderBy(name) for name in self.meta.key.attributes)
        )

    def matches(self, verb: str, where: Filter | None, query: str | None = None) -> Filter:
        """Return the resolved filter, joined with the rule of the verb."""
        return self.within_rule(verb, self.where(where, query=query))

    def within_rule(self, verb: str, where: Filter) -> Filter:
        """Join a resolved filter with the rule of the verb."""
        rule = self.guard.row_filter(verb)
        return where if rule is ALL else combine(And, [where, rule])

    def key(self, key: Any, path: str = "/key") -> KeyValues | None:
        """Return the typed key values, None if no item can have that key."""
        if not isinstance(key, str):
            return key_values(self.meta, key if isinstance(key, tuple) else (key,), path)
        codec = self.meta.key_codec
        return codec.parse(key) or codec.parse_stored(key)

    def keys(self, given: Sequence[Any]) -> list[KeyValues | None]:
        """Return the typed values of several keys, None for a key that no item can have."""
        parsed = self._parsed(given)
        if len(parsed) == len(given):
            return parsed
        texts = iter(parsed)
        return [
            next(texts) if isinstance(one, str) else self.key(one, f"/keys/{position}")
            for position, one in enumerate(given)
        ]

    def _parsed(self, given: Sequence[Any]) -> list[KeyValues | None]:
        """Return the typed values of the keys that are text."""
        codec, texts = self.meta.key_codec, [one for one in given if isinstance(one, str)]
        parsed = codec.parse_all(texts)
        if not codec.choices:
            return parsed
        return [values or codec.parse_stored(text) for text, values in zip(texts, parsed, strict=True)]

    def create(self, given: Any, path: str = "", made: Any = None) -> Planned:
        """Return the plan of a create. `made`: the new item, if `Guard.new_all` returned it."""
        item = self.guard.new(given, path) if made is None else made
        self.guard.check_new([item])
        if not self._linked:
            return Planned(Put(item), given=given)
        values = {name: attribute.get(item) for name, attribute in self.meta.attributes.items()}
        requires = self._requirements(values, "create", path)
        own = [one for one in requires if one.meta is self.meta and one.key == self.meta.key_values(item)]
        if own:  # an item that belongs to itself does not exist before its create its create
            self._check_itself(item, own, path)
            requires = tuple(one for one in requires if one not in own)
        return Planned(Put(item, requires), given=given)

    def update(
        self,
        key: Any,
        changes: Mapping[str, Any],
        when: Filter | None,
        path: str = "",
        values: KeyValues | UnsetType | None = UNSET,
        validated: dict[str, Any] | None = None,
    ) -> Planned | None:
        """Return the plan of an update, or None if no item can have that key.

        `values`: those of the key, if it has been parsed. `validated`: the changes, if `Guard.changes_of_all` returned them.
        """
        # the paths of the faults of a single update begin at the changes
        valid = self.guard.changes(changes, path and path + "/changes") if validated is None else validated
        condition = ALL if when is None else self.where(when, path + "/when")
        if values is UNSET:
            values = self.key(key, path + "/key")
        if values is None:
            return None
        rule = self.guard.condition("update", valid)
        bounds = bounds_of(self.meta, valid) if validated is None else ALL  # plain values contain no sums
        condition_and_rule = ALL if condition is rule is bounds is ALL else _all(condition, rule, bounds)
        requires = self._requirements(valid, "update", path and path + "/changes") if self._linked else ()
        own = requires and [one for one in requires if one.meta is self.meta and one.key == values]
        if own:  # it exists if the update is done
            requires = tuple(one for one in requires if one not in own)
            seen = _all(*(one.where for one in own))
            condition_and_rule, rule = _all(condition_and_rule, seen), _all(rule, seen)
        return Planned(Patch(values, valid, condition_and_rule, requires), condition, changes, rule, bounds)

    def delete(
        self, key: Any, when: Filter | None, path: str = "", values: KeyValues | UnsetType | None = UNSET
    ) -> Planned | None:
        """Return the plan of a deletion, or None if no item can have that key. `values` as in `update`."""
        condition = ALL if when is None else self.where(when, path + "/when")
        rule = self.guard.condition("delete", {})
        if values is UNSET:
            values = self.key(key, path + "/key")
        if values is None:
            return None
        return Planned(Delete(values, _all(condition, rule)), condition, rule=rule)

    def ready(self, write: Write, *, now: Callable[[Filter], bool] | None = None) -> Write:
        """Return a planned write for the engine. Links that the engine cannot follow are resolved at this moment, and so are those of conditions
        for which `now` returns True."""
        when = ALL if isinstance(write, Put) else write.when
        requires = () if isinstance(write, Delete) else write.requires
        linked = when is not ALL and follows_links(when)
        if not linked and not any(follows_links(one.where) for one in requires):
            return write

        def ready(meta: StoreMeta[Any], where: Filter) -> Filter:
            return self.semi_joins.ready(meta, where, now=now is not None and now(where))

        if requires:
            requirements = tuple(structs.replace(one, where=ready(one.meta, one.where)) for one in requires)
            write = structs.replace(write, requires=requirements)
        return structs.replace(write, when=ready(self.meta, when)) if linked else write

    def batch(self, batch: Sequence[edits.Edit], positions: Sequence[int] | None = None) -> list[Planned | None]:
        """Plan the writes of edits, None for a key that no item can have. Raises every fault of every edit at once.

        `positions`: the positions of the edits in a batch that also has edits of other stores.
        """
        planned: list[Planned | None] = []
        faults: list[Fault] = []
        parsed = iter(self._parsed([edit.key for edit in batch if isinstance(edit, KEYED)]))
        updates = [edit.changes for edit in batch if isinstance(edit, edits.Update)]
        together = self.guard.changes_of_all(updates) if len(updates) > 1 else None
        validated: Iterator[dict[str, Any] | None] = repeat(None) if together is None else iter(together)
        creates = [edit.item for edit in batch if isinstance(edit, edits.Create)]
        items = self.guard.new_all(creates) if len(creates) > 1 else None
        made: Iterator[Any] = repeat(None) if items is None else iter(items)
        for position, edit in zip(positions or range(len(batch)), batch, strict=True):
            path = f"/edits/{position}"
            try:
                if isinstance(edit, edits.Create):
                    planned.append(self.create(edit.item, path + "/item", next(made)))
                elif isinstance(edit, edits.Update):
                    values = next(parsed) if isinstance(edit.key, str) else UNSET
                    planned.append(self.update(edit.key, edit.changes, edit.when, path, values, next(validated)))
                elif isinstance(edit, edits.Delete):
                    values = next(parsed) if isinstance(edit.key, str) else UNSET
                    planned.append(self.delete(edit.key, edit.when, path, values))
                else:
                    faults.append(Fault(path, "Not an edit", "Create, Update or Delete", type(edit).__name__))
            except (InvalidInput, InvalidQuery) as error:
                faults.extend(error.faults)
        if faults:
            raise InvalidInput(faults=faults)
        return planned

    def _requirements(self, values: Mapping[str, Any], verb: str, path: str = "") -> tuple[Requirement, ...]:
        """Return the items that must exist for these values to be written. They must be visible to the caller, and match the rule
        of the verb if the rule follows that link."""
        if not self._linked:
            return ()
        required: dict[str, tuple[StoreMeta[Any], list[Filter]]] = {}
        for link in self._checked:
            if values.get(link.by) is not None:
                target = link.ends.target
                required[link.by] = (target, [self.guard.of(target).row_filter("read")])
        for one in all_of(self.guard.row_filter(verb)):
            # the rule was checked on the new item; the engine decides whether it still matches
            if (
                isinstance(one, Exists)
                and (one.other,) == one.meta.key.attributes
                and values.get(one.attribute) is not None
            ):
                required.setdefault(one.attribute, (one.meta, []))[1].append(one.where)
        requirements = [
            Requirement(name, target, (values[name],), combine(And, where))
            for name, (target, where) in required.items()
        ]
        here = self.semi_joins.path_of(self.meta).transactions
        elsewhere = [one for one in requirements if self.semi_joins.path_of(one.meta).transactions is not here]
        self._check(elsewhere, path)  # an engine cannot check another engine's items together with the write
        return tuple(one for one in requirements if one not in elsewhere)

    def requirements(self, values: Mapping[str, Any]) -> tuple[Requirement, ...]:
        """Return the items that must exist for changed values to be written. Raises `InvalidInput` for a missing item of another engine."""
        return self._requirements(values, "update")

    def check_requirements(self, values: Mapping[str, Any]) -> None:
        """Check the requirements of a bulk write now, because bulk writes have no requirements of their own."""
        self._check(self._requirements(values, "update"), "")

    def _check(self, requirements: Iterable[Requirement], path: str) -> None:
        """Raise `InvalidInput` unless the required items exist now."""
        faults = [
            _missing(one, path)
            for one in requirements
            for found in self.semi_joins.path_of(one.meta).read((one.key,))
            if found is None or not self.semi_joins.matches(one.meta, one.where, [found])[0]
        ]
        if faults:
            raise InvalidInput(faults=faults)

    def _check_itself(self, item: Any, requires: Sequence[Requirement], path: str) -> None:
        """Raise `InvalidInput` unless a new item that belongs to itself meets its own requirements."""
        faults = [
            _missing(one, path) for one in requires if not self.semi_joins.matches(self.meta, one.where, [item])[0]
        ]
        if faults:
            raise InvalidInput(faults=faults)


def _missing(requirement: Requirement, path: str) -> Fault:
    return Fault(path + pointer(requirement.attribute), "No item has this key", "the key of an existing item")


def depends_on_nothing(write: Write) -> bool:
    """Return whether the write has no condition and requires no other item: the engine gets it as planned."""
    if isinstance(write, Put):
        return not write.requires
    return write.when is ALL and (isinstance(write, Delete) or not write.requires)


def _all(*conditions: Filter) -> Filter:
    several = [one for one in conditions if one is not ALL]
    if not several:
        return ALL
    return several[0] if len(several) == 1 else combine(And, several)
