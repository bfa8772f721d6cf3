"""The arguments of `App`: its items, engines and actions, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any

from ..errors import Fault, InvalidDeclaration
from ..model.compilation import compile_schema
from ..model.meta import StoreMeta, meta_of
from ..model.schema import Schema
from ..model.verbs import WRITES
from ..naming import RESERVED, kebab

LONGEST = timedelta(days=30)
"""Longest time for which the response of a request with an idempotency key is stored."""
Action = Callable[..., Any] | str
"""A function marked by servey's `@action`, or the name of a module full of them, imported when one is first needed."""

ItemCheck = Callable[[Mapping[str, StoreMeta[Any]], Collection[str]], Iterable[Fault]]
"""(items by name, names of those that change) → what a surface cannot offer."""


def declared(item: Any) -> StoreMeta[Any]:
    """Return the meta of a class, a schema or a meta."""
    if isinstance(item, Schema):
        return compile_schema(item)
    return item if isinstance(item, StoreMeta) else meta_of(item)


def item_faults(metas: Sequence[StoreMeta[Any]], engines: Collection[str]) -> list[Fault]:
    """Return the faults of names and engines."""
    names = Counter(meta.name for meta in metas)
    return [
        *(Fault("/items", f"Two items are named {name}") for name, times in names.items() if times > 1),
        *(
            Fault("/items", f"{name} is a name that persisty keeps for itself")
            for name in names
            if name.startswith(RESERVED)
        ),
        *(
            Fault(f"/items/{meta.name}", f"Its engine {meta.engine} is unknown", _one_of(engines), meta.engine)
            for meta in metas
            if meta.engine is not None and meta.engine not in engines
        ),
    ]


def check_arguments(
    name: str, metas: Sequence[StoreMeta[Any]], engines: Collection[str], idempotency: timedelta | None
) -> None:
    """Raise `InvalidDeclaration` with every fault of an app's name, items, engines and `idempotency`."""
    faults = [] if name and kebab(name) == name else [Fault("/name", "Not in kebab case", "my-app", name)]
    faults += item_faults(metas, engines)
    if idempotency is not None and not timedelta(0) < idempotency <= LONGEST:
        faults.append(Fault("/idempotency", "Not a time to store responses for", f"up to {LONGEST.days} days"))
    if faults:
        raise InvalidDeclaration("The app contradicts itself", faults=faults)


def offers_writes(metas: Iterable[StoreMeta[Any]]) -> bool:
    """Return whether some caller may write items of these."""
    rules = [one.access for one in metas if one.access is not None]
    return any(rule.allows(verb) for rule in rules for verb in WRITES)


def change_faults(
    before: Mapping[str, StoreMeta[Any]],
    added: Sequence[StoreMeta[Any]],
    replaced: Sequence[StoreMeta[Any]],
    removed: Sequence[str],
    engines: Collection[str],
) -> list[Fault]:
    """Return the faults of a change of the items of an app."""
    named = [*removed, *(one.name for one in replaced)]
    return [
        *(Fault(f"/items/{one.name}", "There is such an item already") for one in added if one.name in before),
        *(Fault(f"/items/{name}", "There is no such item") for name in named if name not in before),
        *item_faults([*added, *replaced], engines),
        *(Fault(f"/items/{name}", "Both replaced and removed") for name in named if named.count(name) > 1),
    ]


def _one_of(engines: Collection[str]) -> str:
    return "one of " + ", ".join(engines) if engines else "an app with `engines`"


def functions_of(action: Action) -> list[Callable[..., Any]]:
    """Return the functions of an action, or of the module that it names."""
    if isinstance(action, str):
        module = import_module(action)
        return [value for value in vars(module).values() if hasattr(value, "__servey_action__")]
    if not hasattr(action, "__servey_action__"):
        raise InvalidDeclaration(f"{action!r} is not marked by servey's @action")
    return [action]
