"""Check the arguments of `App`: its items, engines and actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

from ..errors import Fault, InvalidDeclaration
from ..model.compilation import compile_schema
from ..model.meta import StoreMeta, meta_of
from ..model.schema import Schema
from ..model.verbs import WRITES
from ..naming import RESERVED, kebab

LONGEST = timedelta(days=30)
"""The longest time for which responses of requests with an idempotency key are stored."""
SHORTEST_FEED = timedelta(minutes=1)
"""The shortest time for which changes are kept."""
Action = Callable[..., Any] | str
"""A function marked by servey's `@action`, or the name of a module with such functions, imported at the first use."""

ItemCheck = Callable[[Mapping[str, StoreMeta[Any]], Collection[str]], Iterable[Fault]]
"""(items by name, names of changed items) → faults of items that a surface cannot offer."""


def declared(item: Any) -> StoreMeta[Any]:
    """Return the meta of a class, a schema or a meta."""
    if isinstance(item, Schema):
        return compile_schema(item)
    return item if isinstance(item, StoreMeta) else meta_of(item)


def item_faults(metas: Sequence[StoreMeta[Any]], engines: Collection[str]) -> list[Fault]:
    """Return the faults of the items' names and engines."""
    names = Counter(meta.name for meta in metas)
    return [
        *table_faults(metas),
        *(Fault("/items", f"Two items are named {name}") for name, times in names.items() if times > 1),
        *(Fault("/items", f"{name} is a name that persisty reserves") for name in names if name.startswith(RESERVED)),
        *(
            Fault(f"/items/{meta.name}", f"Its engine {meta.engine} is unknown", _one_of(engines), meta.engine)
            for meta in metas
            if meta.engine is not None and meta.engine not in engines
        ),
    ]


def table_faults(metas: Iterable[StoreMeta[Any]]) -> Iterable[Fault]:
    """Yield a fault for each item whose table is that of another item with another name."""
    owners: dict[tuple[str | None, str], str] = {}
    for meta in metas:
        owner = owners.setdefault((meta.engine, meta.table), meta.name)
        if owner != meta.name:
            yield Fault(
                f"/items/{meta.name}", f"Its table {meta.table} is that of {owner}", "another table", meta.table
            )


def check_arguments(
    name: str,
    metas: Sequence[StoreMeta[Any]],
    engines: Collection[str],
    idempotency: timedelta | None,
    feed: timedelta | None,
) -> None:
    """Raise `InvalidDeclaration` with every fault of an app's name, items, engines, `idempotency` and `feed`."""
    faults = [] if name and kebab(name) == name else [Fault("/name", "Not in kebab case", "my-app", name)]
    faults += item_faults(metas, engines)
    if idempotency is not None and not timedelta(0) < idempotency <= LONGEST:
        faults.append(Fault("/idempotency", "Not a valid time to store responses", f"up to {LONGEST.days} days"))
    if feed is not None and not SHORTEST_FEED <= feed <= LONGEST:
        faults.append(Fault("/feed", "Not a valid time to keep changes", f"a minute to {LONGEST.days} days"))
    if faults:
        raise InvalidDeclaration("The app contradicts itself", faults=faults)


def offers_writes(metas: Iterable[StoreMeta[Any]]) -> bool:
    """Return whether some caller may write one of these items."""
    rules = [one.access for one in metas if one.access is not None]
    return any(rule.allows(verb) for rule in rules for verb in WRITES)


def changed_items(
    before: Mapping[str, StoreMeta[Any]],
    added: Sequence[StoreMeta[Any]],
    replaced: Sequence[StoreMeta[Any]],
    removed: Sequence[str],
    engines: Collection[str],
    checks: Iterable[ItemCheck],
) -> dict[str, StoreMeta[Any]]:
    """Return the items of an app after a change, by name. Raises `InvalidDeclaration` with every fault."""
    faults = _change_faults(before, added, replaced, removed, engines)
    if faults:
        raise InvalidDeclaration("The app cannot be changed like this", faults=faults)
    items = {name: meta for name, meta in before.items() if name not in removed}
    items |= {meta.name: meta for meta in (*replaced, *added)}
    if faults := list(table_faults(items.values())):
        raise InvalidDeclaration("The app cannot be changed like this", faults=faults)
    changed = {meta.name for meta in (*replaced, *added)}
    faults = list(dict.fromkeys(fault for check in checks for fault in check(items, changed)))
    if faults:
        raise InvalidDeclaration("A surface of the app cannot offer these items", faults=faults)
    return items


def _change_faults(
    before: Mapping[str, StoreMeta[Any]],
    added: Sequence[StoreMeta[Any]],
    replaced: Sequence[StoreMeta[Any]],
    removed: Sequence[str],
    engines: Collection[str],
) -> list[Fault]:
    named = [*removed, *(one.name for one in replaced)]
    return [
        *(
            Fault(f"/items/{one.name}", "The app already has an item of this name")
            for one in added
            if one.name in before
        ),
        *(Fault(f"/items/{name}", "The app has no item of this name") for name in named if name not in before),
        *item_faults([*added, *replaced], engines),
        *(Fault(f"/items/{name}", "Both replaced and removed") for name in named if named.count(name) > 1),
    ]


def _one_of(engines: Collection[str]) -> str:
    return "one of " + ", ".join(engines) if engines else "an app with `engines`"


def are_imported(actions: Iterable[Action], app: str) -> bool:
    """Import the modules of actions, and return whether they are complete: none of them is being imported by this thread."""
    modules = [_module_of(one, app) for one in actions if isinstance(one, str)]
    return not any(getattr(one.__spec__, "_initializing", False) for one in modules)


def _module_of(name: str, app: str) -> ModuleType:
    """Import a module of actions. Raises `InvalidDeclaration` if it does not exist."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module exists, and imports another that does not
        raise InvalidDeclaration(f"There is no module {name}, which the app {app} names in `actions`") from error


def functions_of(action: Action, app: str) -> list[Callable[..., Any]]:
    """Return the functions of an action of the app, or of the module that it names."""
    if isinstance(action, str):
        module = _module_of(action, app)
        return [value for value in vars(module).values() if hasattr(value, "__servey_action__")]
    if not hasattr(action, "__servey_action__"):
        raise InvalidDeclaration(f"{action!r} is not marked by servey's @action")
    return [action]
