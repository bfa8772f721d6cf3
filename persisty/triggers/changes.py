"""Triggers of changes: `AfterCreate(Message)`, `BeforeUpdate(Order, changed=["status"])`, and the filters that choose among the changes.

```
Before…   the function runs in the write, before it is done. It may change the item, or refuse the write by an error
After…    the function runs once the change is committed, at least once, and in order for each item
```
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr

from ..errors import Fault, InvalidDeclaration
from ..model.expressions import AttributeExpression, Filter, name_of
from ..model.verbs import EditVerb
from .trigger import Retry, Trigger

KINDS = {"create": "created", "update": "updated", "delete": "deleted"}
"""Verb → the kind of its changes."""
Attributes = Iterable[AttributeExpression[Any] | str]
"""Attributes, or their names: `place.city` for one of a nested object."""


class Condition(Struct, frozen=True):
    """Chooses changes of one kind. `before`, `after`: filters of the item before and after the change, by the name of their argument. `changed`: one of these attributes has another
    value, None for any change."""

    kind: str
    before: tuple[str, Filter] | None = None
    after: tuple[str, Filter] | None = None
    changed: tuple[str, ...] | None = None


class ChangeTrigger(Trigger, frozen=True):
    """Calls an action for changes of an item. `item`: its class or its name."""

    item: type[Any] | str

    @property
    def conditions(self) -> Sequence[Condition]:
        """The conditions under which the action is called, one for each kind of change."""
        raise NotImplementedError


class BeforeChange(ChangeTrigger, frozen=True):
    """Calls an action in a write, before it is done."""


class AfterChange(ChangeTrigger, frozen=True):
    """Calls an action after a change is committed. It has the member `retry`: how often a call that failed is repeated."""


class OfCreates(ChangeTrigger, frozen=True, kw_only=True):
    where: Filter | None = None

    @property
    def conditions(self) -> Sequence[Condition]:
        return (_condition("create", self.where),)


class OfUpdates(ChangeTrigger, frozen=True, kw_only=True):
    before: Filter | None = None
    after: Filter | None = None
    changed: Attributes | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_names(self, self.changed)

    @property
    def conditions(self) -> Sequence[Condition]:
        return (_update(self.before, self.after, self.changed),)


class OfDeletes(ChangeTrigger, frozen=True, kw_only=True):
    where: Filter | None = None

    @property
    def conditions(self) -> Sequence[Condition]:
        return (_condition("delete", self.where),)


class OfVerbs(ChangeTrigger, frozen=True, kw_only=True):
    on: Iterable[EditVerb]
    where: Filter | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_verbs(self, self.on)

    @property
    def conditions(self) -> Sequence[Condition]:
        return [_condition(verb, self.where) for verb in self.on]


class AfterCreate(OfCreates, AfterChange, frozen=True, kw_only=True):
    """Calls an action after each create. `where`: a filter of the new item."""

    retry: Retry | None = None


class AfterUpdate(OfUpdates, AfterChange, frozen=True, kw_only=True):
    """Calls an action after each update. `before`, `after`: filters of the item before and after it. `changed`: attributes, one of which has another value."""

    retry: Retry | None = None


class AfterDelete(OfDeletes, AfterChange, frozen=True, kw_only=True):
    """Calls an action after each delete. `where`: a filter of the item before it."""

    retry: Retry | None = None


class After(OfVerbs, AfterChange, frozen=True, kw_only=True):
    """Calls an action after each of several kinds of changes: `After(Message, on=["create", "delete"])`.

    `where`: a filter of the item after a create or an update, and before a delete.
    """

    retry: Retry | None = None


class BeforeCreate(OfCreates, BeforeChange, frozen=True):
    """Calls an action before each create. `where`: a filter of the new item."""


class BeforeUpdate(OfUpdates, BeforeChange, frozen=True):
    """Calls an action before each update. `before`, `after`: filters of the item before and after it. `changed`: attributes, one of which gets another value."""


class BeforeDelete(OfDeletes, BeforeChange, frozen=True):
    """Calls an action before each delete. `where`: a filter of the item."""


class Before(OfVerbs, BeforeChange, frozen=True):
    """Calls an action before each of several kinds of changes: `Before(Message, on=["create", "update"])`. `where` as in `After`."""


def _condition(verb: EditVerb, where: Filter | None) -> Condition:
    given = None if where is None else ("where", where)
    return Condition(KINDS[verb], before=given) if verb == "delete" else Condition(KINDS[verb], after=given)


def _update(before: Filter | None, after: Filter | None, changed: Attributes | None) -> Condition:
    return Condition(
        KINDS["update"],
        None if before is None else ("before", before),
        None if after is None else ("after", after),
        None if changed is None else tuple(map(str, changed)),
    )


def _set_names(trigger: OfUpdates, changed: Attributes | None) -> None:
    """Replace the attributes of a trigger by a tuple of their names."""
    if changed is None:
        return
    given = [changed] if isinstance(changed, str | AttributeExpression) else list(changed)
    names = [name_of(one) if isinstance(one, AttributeExpression) else one for one in given]
    if not names or not all(isinstance(one, str) for one in names):
        raise _invalid(Fault("/changed", "Not attributes", 'attributes such as ["status"]', repr(names)))
    force_setattr(trigger, "changed", tuple(names))


def _set_verbs(trigger: OfVerbs, on: Iterable[EditVerb]) -> None:
    """Replace the verbs of a trigger by a tuple of them."""
    given = (on,) if isinstance(on, str) else tuple(on)
    if not given or not KINDS.keys() >= set(given):
        raise _invalid(Fault("/on", "Not verbs", "some of " + ", ".join(KINDS), ", ".join(map(repr, given))))
    force_setattr(trigger, "on", tuple(dict.fromkeys(given)))


def _invalid(fault: Fault) -> InvalidDeclaration:
    return InvalidDeclaration("The trigger is not valid", faults=[fault])
