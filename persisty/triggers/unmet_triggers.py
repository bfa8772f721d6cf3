"""Find triggers of changes that can never fire: filters that no item meets, and attributes that never change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..errors import Fault
from ..model.meta import StoreMeta
from ..model.value_validation import typed
from ..query.filter_algebra import required_values
from ..query.resolution import resolve_filter
from .changes import Condition
from .declared import DeclaredTriggers, Runner
from .registry import Metas, meta_of_trigger


def unmet_triggers(declared: DeclaredTriggers, metas: Metas) -> Iterator[Fault]:
    """Yield a fault for each trigger that can never fire. The triggers must be valid."""
    for runner in (Runner.BEFORE, Runner.AFTER):
        for one in declared.of(runner):
            meta = meta_of_trigger(one.trigger, metas)
            if meta is not None and all(_is_unmet(meta, condition) for condition in one.trigger.conditions):
                yield Fault(
                    one.path, "The trigger can never fire: no change meets its conditions", found=str(meta.name)
                )


def _is_unmet(meta: StoreMeta[Any], condition: Condition) -> bool:
    """Return whether no change can meet a condition."""
    before, after = (_values(meta, given) for given in (condition.before, condition.after))
    if before is None or after is None or not all(_is_declared(meta, name, value) for name, value in after.items()):
        return True
    constant = set(meta.key.attributes) | {
        name for name, value in before.items() if name in after and after[name] == value
    }
    if condition.changed is not None and constant.issuperset(condition.changed):
        return True
    return any(name in after and after[name] != before[name] for name in meta.key.attributes if name in before)


def _is_declared(meta: StoreMeta[Any], name: str, value: Any) -> bool:
    """Return whether an attribute may be given a value. Filters may also name members of an enum or a `Literal` that were removed."""
    try:
        typed(meta.attribute(name), value)
    except (msgspec.ValidationError, ValueError, TypeError):
        return False
    return True


def _values(meta: StoreMeta[Any], given: tuple[str, Any] | None) -> dict[str, Any] | None:
    return {} if given is None else required_values([resolve_filter(meta, given[1])])
