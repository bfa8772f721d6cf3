"""`Catalogue`: one revision of the items of an app, with their metas, links and stores.

A catalogue is never changed. `revised` returns the next one, which shares every meta whose links reach no changed item, and every store
whose group of linked items is unchanged. A request ends on the revision on which it began.

A store refers only to the stores of its group, so a removed item is freed as soon as no request and no surface refers to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration
from ..model.compilation import fault_below
from ..model.derived_names import derived_name_faults
from ..model.meta import Ends, Link, StoreMeta
from ..security.rule_checks import rule_faults
from .change_path import ChangePath
from .context import StoreContext
from .store import Store

Metas = Mapping[str, StoreMeta[Any]]
Groups = Mapping[str, frozenset[str]]
Open = Callable[[StoreMeta[Any]], ChangePath[Any]]
"""An item → its change path in the engine of its store."""
NONE: Mapping[str, Any] = MappingProxyType({})


class Catalogue(Struct, frozen=True, eq=False):
    """The items of one revision by name. `groups`: item → the items that are connected to it by links in either direction, and itself."""

    revision: int = 0
    metas: Metas = NONE
    stores: Mapping[str, Store[Any]] = NONE
    groups: Groups = NONE

    def revised(self, declared: Metas, open_path: Open) -> Catalogue:
        """Return the next revision, with these items and no others. `InvalidDeclaration` lists every mistake of names, links and access
        rules."""
        metas, faults = linked_metas(declared)
        changed = [name for name, meta in metas.items() if self.metas.get(name) is not meta]
        for name in changed:
            faults += rule_faults(metas[name])
        faults += derived_name_faults(metas, changed)
        if faults:
            raise InvalidDeclaration("The names, links or access rules of the app are not valid", faults=faults)
        groups = groups_of(metas, self.groups)
        stores: dict[str, Store[Any]] = {}
        members: dict[frozenset[str], list[str]] = {}
        for name in metas:
            members.setdefault(groups[name], []).append(name)
        for group, names in members.items():
            if all(self.groups.get(name) is group and self.metas.get(name) is metas[name] for name in names):
                stores |= {name: self.stores[name] for name in names}
            else:
                stores |= _stores([metas[name] for name in names], open_path)
        return Catalogue(
            self.revision + 1, MappingProxyType(metas), MappingProxyType({name: stores[name] for name in metas}), groups
        )


def _stores(metas: Iterable[StoreMeta[Any]], open_path: Open) -> dict[str, Store[Any]]:
    """Return the stores of a group of items, which refer to each other."""
    contexts: dict[str, StoreContext[Any]] = {}
    for meta in metas:
        contexts[meta.name] = StoreContext(meta, lambda meta=meta: open_path(meta), contexts)  # type: ignore[misc]
    return {name: Store(context) for name, context in contexts.items()}


def linked_metas(declared: Metas) -> tuple[dict[str, StoreMeta[Any]], list[Fault]]:
    """Return the metas with their links bound to each other, and the faults of the links.

    A meta whose links lead to outdated metas (an item has changed, or another app declares it differently) is copied, and so is every
    meta that leads to a copied one. All other metas are returned unchanged.
    """
    ends: dict[Link, Ends] = {}
    stale: set[str] = set()
    faults: list[Fault] = []
    for meta in declared.values():
        for link in meta.links.values():
            found = link.bound
            if found is None or not _among(found, declared):
                try:
                    found = _found(link, declared)
                except InvalidDeclaration as error:
                    faults += [fault_below(meta.name, fault) for fault in error.faults]
                    continue
                if link.bound is not None:
                    stale.add(meta.name)
            ends[link] = found
    metas = dict(declared)
    if stale and not faults:
        for name in _leading_to(stale, declared, ends):
            meta = declared[name]
            metas[name] = meta.altered(
                links=MappingProxyType({link.name: link.unbound() for link in meta.links.values()})
            )
    for meta in metas.values():
        for link in meta.links.values():
            if not faults or link in ends:
                link.bind(metas)
    return metas, faults


def _found(link: Link, metas: Metas) -> Ends:
    found = link.find(metas)
    if not _among(found, metas):
        missing = [
            one.name for one in (found.target, found.middle) if one is not None and metas.get(one.name) is not one
        ]
        what = f"links to {' and '.join(missing)}, which the app does not declare"
        raise InvalidDeclaration(faults=[Fault(f"/{link.name}", what, "every linked item in App(items=[…])")])
    return found


def _among(ends: Ends, metas: Metas) -> bool:
    """Return whether the ends are among these items."""
    return metas.get(ends.target.name) is ends.target and (
        ends.middle is None or metas.get(ends.middle.name) is ends.middle
    )


def _names(ends: Ends) -> tuple[str, ...]:
    return (ends.target.name,) if ends.middle is None else (ends.target.name, ends.middle.name)


def _leading_to(names: set[str], metas: Metas, ends: Mapping[Link, Ends]) -> set[str]:
    """Return these items and all items that reach them by links."""
    users: dict[str, list[str]] = {}
    for meta in metas.values():
        for link in meta.links.values():
            for name in _names(ends[link]):
                users.setdefault(name, []).append(meta.name)
    reached, pending = set(names), list(names)
    while pending:
        for name in users.get(pending.pop(), ()):
            if name not in reached:
                reached.add(name)
                pending.append(name)
    return reached


def groups_of(metas: Metas, before: Groups = NONE) -> dict[str, frozenset[str]]:
    """Return each item's group: the items that links connect it to. An unchanged group is the same object as before."""
    next_to: dict[str, list[str]] = {name: [] for name in metas}
    for meta in metas.values():
        for link in meta.links.values():
            for name in _names(link.ends):
                next_to[meta.name].append(name)
                next_to[name].append(meta.name)
    found: dict[str, frozenset[str]] = {}
    for start in metas:
        if start in found:
            continue
        group, pending = {start}, [start]
        while pending:
            for name in next_to[pending.pop()]:
                if name not in group:
                    group.add(name)
                    pending.append(name)
        former = before.get(start)
        found |= dict.fromkeys(group, former if former is not None and former == group else frozenset(group))
    return found
