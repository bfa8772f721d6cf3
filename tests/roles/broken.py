"""Deliberately broken guards: each omits one check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, partialmethod
from typing import Any

import pytest
from msgspec import structs

from persisty import App, Create
from persisty.errors import PreconditionFailed
from persisty.model.expressions import ALL, Filter, OrderBy
from persisty.model.pages import ResultPage
from persisty.query import resolution as resolve
from persisty.query.order import resolve_order
from persisty.query.visibility import View
from persisty.store import link_loading as loading
from persisty.store import results as outcomes
from persisty.store.backend import Query
from persisty.store.caller_guard import CallerGuard
from persisty.store.context import StoreContext
from persisty.store.preparation import Preparation
from persisty.store.store import Store
from persisty.store.trusted_guard import TrustedGuard

Break = Callable[[pytest.MonkeyPatch], None]
BROKEN: dict[str, Break] = {}
"""Name → function that breaks the guard."""


def broken(make: Break) -> Break:
    BROKEN[make.__name__] = make
    return make


def _without_rules(verb: str) -> Callable[[CallerGuard, str], Filter]:
    """Return the rules without that of one verb."""
    rows = CallerGuard.row_filter
    return lambda self, asked: ALL if asked == verb else rows(self, asked)


@broken
def counts_without_the_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "row_filter", _without_rules("count"))


@broken
def searches_without_the_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "row_filter", _without_rules("search"))


@broken
def limits_before_the_rule(patch: pytest.MonkeyPatch) -> None:
    def page(
        self: Any, where: Any, order: Any, limit: int, cursor: Any, select: Any = None, allow_scan: bool = False
    ) -> Any:
        found = self.backend.query(Query(ALL, order, None, limit, allow_scan=allow_scan))
        fine = self.semi_joins.matches(self.meta, where, found.items)
        return ResultPage(self.guard.redact([one for one, holds in zip(found.items, fine, strict=True) if holds]))

    patch.setattr(StoreContext, "page", page)


@broken
def reads_batches_without_the_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "row_filter", _without_rules("read_batch"))


@broken
def shows_the_whole_item_of_a_failed_condition(patch: pytest.MonkeyPatch) -> None:
    def refused(meta: Any, planned: Any, item: Any, path: str, guard: Any) -> Any:
        return PreconditionFailed(item=item)

    patch.setattr(outcomes, "_refused", refused)


@broken
def creates_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "check_new", TrustedGuard.check_new)


@broken
def does_not_check_the_changed_item(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "condition", lambda self, verb, changes: self.row_filter(verb))


@broken
def changes_all_without_the_rule(patch: pytest.MonkeyPatch) -> None:
    update_all = Store.update_all

    def unguarded(self: Any, changes: Mapping[str, Any], where: Any = None, **how: Any) -> Any:
        with patch.context() as inner:
            inner.setattr(CallerGuard, "condition", TrustedGuard.condition)
            return update_all(self, changes, where, **how)

    patch.setattr(Store, "update_all", unguarded)


@broken
def deletes_without_the_rule(patch: pytest.MonkeyPatch) -> None:
    condition = CallerGuard.condition
    patch.setattr(
        CallerGuard,
        "condition",
        lambda self, verb, changes: ALL if verb == "delete" else condition(self, verb, changes),
    )


@broken
def checks_before_it_writes(patch: pytest.MonkeyPatch) -> None:
    """Checks the rule before the write, instead of sending it as a condition."""
    update = Preparation.update

    def planned(self: Any, key: Any, changes: Any, when: Any, path: str = "") -> Any:
        found = update(self, key, changes, when, path)
        if found is None or found.rule is ALL:
            return found
        [item] = self.semi_joins.path_of(self.meta).read((found.write.key,))
        fine = item is not None and self.semi_joins.matches(self.meta, found.rule, [item])[0]
        free = type(found.write)(found.write.key, found.write.changes, found.when, found.write.requires)
        return type(found)(free, found.when, found.given, ALL) if fine else found

    patch.setattr(Preparation, "update", planned)


@broken
def links_to_hidden_items(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Preparation, "_requirements", lambda self, values, verb, path="": ())


@broken
def loads_links_without_the_targets_rule(patch: pytest.MonkeyPatch) -> None:
    that_hold = loading._matching
    patch.setattr(loading, "_matching", lambda target, where, items: that_hold(target, ALL, items))


@broken
def follows_links_by_hidden_attributes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loading, "visible_where", lambda view, *names: ALL)
    patch.setattr(resolve, "visible_where", lambda view, *names: ALL)


@broken
def filters_by_partially_visible_attributes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resolve, "narrowed", lambda where, view: where)


@broken
def orders_by_partially_visible_attributes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "always_visible", property(lambda self: self.attributes))


@broken
def shows_hidden_attributes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "redact", TrustedGuard.redact)


@broken
def shows_hidden_attributes_after_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "redact_written", TrustedGuard.redact_written)


@broken
def names_hidden_attributes_of_conflicts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "redact_error", TrustedGuard.redact_error)


@broken
def forbids_hidden_items_instead_of_not_finding_them(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallerGuard, "visible", lambda self, item: True)


@broken
def writes_half_of_an_atomic_batch(patch: pytest.MonkeyPatch) -> None:
    edit_batch = Store.edit_batch
    patch.setattr(Store, "edit_batch", lambda self, batch, atomic=False: edit_batch(self, batch))


def _edits_stores(patch: pytest.MonkeyPatch, otherwise: Callable[..., Any]) -> None:
    """Replace `App.edit_batch`. `otherwise` gets the original, the app, the batch, and `atomic` and `caller`."""
    patch.setattr(App, "edit_batch", partialmethod(_called, otherwise, App.edit_batch))


def _called(app: App, otherwise: Callable[..., Any], original: Any, batch: Any, **how: Any) -> Any:
    return otherwise(partial(original, app), batch, **{"atomic": False, "caller": None, **how})


@broken
def does_batches_of_several_stores_as_trusted_code(patch: pytest.MonkeyPatch) -> None:
    _edits_stores(patch, lambda edit, batch, atomic, caller: edit(batch, atomic=atomic))


@broken
def writes_half_of_an_atomic_batch_of_several_stores(patch: pytest.MonkeyPatch) -> None:
    _edits_stores(patch, lambda edit, batch, atomic, caller: edit(batch, caller=caller))


@broken
def ignores_conditions_in_batches_of_several_stores(patch: pytest.MonkeyPatch) -> None:
    def unconditional(edit: Any, batch: Any, atomic: bool, caller: Any) -> Any:
        free = [one if isinstance(one, Create) else structs.replace(one, when=None) for one in batch]
        return edit(free, atomic=atomic, caller=caller)

    _edits_stores(patch, unconditional)


@broken
def uses_indexes_over_hidden_attributes(patch: pytest.MonkeyPatch) -> None:
    """Uses the engine's own order of an index, so that cursors contain its values."""

    def order(self: Any, asked: Any) -> Any:
        names = dict.fromkeys(name for index in self.meta.indexes for name in index.attributes)
        own = tuple(OrderBy(name) for name in (*names, *self.meta.key.attributes))
        return resolve_order(self.meta, asked, view=self.guard.view) or own

    patch.setattr(Preparation, "order", order)
