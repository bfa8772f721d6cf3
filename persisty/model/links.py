"""Links: how the items of one store lead to those of another.

`BelongsTo["User"]` holds the key of its target in an attribute of its own, `author_id` for `author` unless it says otherwise.
`HasMany`, `HasOne` and `HasCount` look at it from the other side, `HasMany` also through an item that belongs to both. The names
of targets are looked up when a link is first used, so that items can name each other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration
from ..naming import snake
from .expressions import AttributeExpression, Filter, Linked
from .pages import ResultPage

if TYPE_CHECKING:
    from .meta import StoreMeta

T = TypeVar("T")

ACTIONS = ("ignore", "block", "cascade", "nullify")
"""What becomes of the items that belong to one that is deleted. All but `ignore` also keep a target from being named that is
not there."""


class LinkType(Struct, frozen=True):
    """What an annotation such as `HasMany["Message"]` stands for: the kind of link, and its target by class or name."""

    kind: str
    target: Any


class BelongsTo(Generic[T]):
    """The one item whose key is in an attribute of this one: an item or None once loaded."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("belongs_to", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> type[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> T | None: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class HasMany(Generic[T]):
    """The items that belong to this one, a page of them once loaded; with `through`, those that an item between leads to."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("has_many", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> LinkExpression[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> ResultPage[T]: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class HasOne(Generic[T]):
    """The item that belongs to this one; the first by key if there are several."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("has_one", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> type[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> T | None: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class HasCount(Generic[T]):
    """How many items belong to this one."""

    def __class_getitem__(cls, target: Any) -> LinkType:
        return LinkType("has_count", target)

    if TYPE_CHECKING:

        @overload
        def __get__(self, item: None, owner: type) -> LinkExpression[T]: ...
        @overload
        def __get__(self, item: object, owner: type) -> int: ...
        def __get__(self, item: object, owner: type) -> Any: ...


class LinkSpec(Struct, frozen=True):
    """What `link(...)` said."""

    by: str | None = None
    through: Any = None
    on_delete: str = "ignore"
    description: str | None = None


def link(
    *,
    by: str | None = None,
    through: Any = None,
    on_delete: str = "ignore",
    description: str | None = None,
    init: Literal[False] = False,
) -> Any:
    """Declare a link: `author: BelongsTo["User"] = link()`.

    `by`: the attribute that holds the key, of this item for `BelongsTo` (default: the link's name and `_id`), else of the target
    (default: the attribute of its `BelongsTo` to this item, or one named after this item and its key, `user_id`). `through`: the item
    between, which belongs to both. `on_delete`, of a `BelongsTo`: what becomes of this item when its target is deleted (see
    `ACTIONS`). `init` is for type checkers only: no item is created with a link.
    """
    return LinkSpec(by, through, on_delete, description)


class Ends(Struct, frozen=True):
    """A link with its names looked up: the items of `target` whose `remote` equals this item's `local`.

    With `middle` they are those whose `remote` equals the `far` of an item of `middle` whose `near` equals `local`.
    """

    target: StoreMeta[Any]
    local: str
    remote: str
    middle: StoreMeta[Any] | None = None
    near: str = ""
    far: str = ""

    @property
    def between(self) -> tuple[str, str]:
        """The attributes of `middle` that the link goes by."""
        return (self.near, self.far)


class Link:
    """A link of a stored item. `kind` is `belongs_to`, `has_many`, `has_one` or `has_count`."""

    def __init__(self, name: str, kind: str, target: Any, spec: LinkSpec, owner: Callable[[], StoreMeta[Any]]) -> None:
        self.name, self.kind, self.on_delete, self.description = name, kind, spec.on_delete, spec.description
        self._target, self._spec, self._owner = target, spec, owner
        self._ends: Ends | None = None

    def __repr__(self) -> str:
        return f"<link {self._owner().name}.{self.name}>"

    @property
    def by(self) -> str:
        """Of a `BelongsTo`: the attribute that holds the target's key."""
        return self._spec.by or f"{self.name}_id"

    @property
    def ends(self) -> Ends:
        """Where it leads from and to. `InvalidDeclaration` where a name is nobody's or the ends do not fit."""
        if self._ends is None:
            self.bind({})
        return self._ends  # type: ignore[return-value]

    def bind(self, known: Mapping[str, StoreMeta[Any]]) -> None:
        """Look up the names: among the items `known`, by the names of class and store, then in the declaring module."""
        if self._ends is None:
            owner = self._owner()
            target = self._find(self._target, known)
            self._ends = ENDS[self.kind](self, owner, target, known)

    def _find(self, named: Any, known: Mapping[str, StoreMeta[Any]]) -> StoreMeta[Any]:
        if isinstance(named, str):
            module = sys.modules.get(self._owner().item.__module__)
            at_hand: Any = getattr(module, named, named)
            named = known.get(snake(named), at_hand)
        meta: Any = getattr(named, "__persisty__", named)
        if isinstance(meta, str) or not hasattr(meta, "key_attributes"):
            raise self._wrong(f"leads to {named!r}, which is not a stored item")
        found: StoreMeta[Any] = meta
        return found

    def _wrong(self, message: str) -> InvalidDeclaration:
        fault = Fault(f"/{self.name}", message)
        return InvalidDeclaration(f"{self._owner().item.__qualname__} has a link that leads nowhere", faults=[fault])

    def _belongs(self, owner: StoreMeta[Any], target: StoreMeta[Any], known: Mapping[str, StoreMeta[Any]]) -> Ends:
        return self._fitting(owner, Ends(target, self._attribute(owner, self.by), self._key(target)), target)

    def _has(self, owner: StoreMeta[Any], target: StoreMeta[Any], known: Mapping[str, StoreMeta[Any]]) -> Ends:
        if self._spec.through is None:
            return self._fitting(
                owner, Ends(target, self._key(owner), self._back(owner, target, self._spec.by)), target
            )
        middle = self._find(self._spec.through, known)
        near, far = self._back(owner, middle, None), self._back(target, middle, self._spec.by)
        if near == far:
            raise self._wrong(f"leads through {middle.name} by one attribute both ways: name the other in `by`")
        return Ends(target, self._key(owner), self._key(target), middle, near, far)

    def _fitting(self, owner: StoreMeta[Any], ends: Ends, target: StoreMeta[Any]) -> Ends:
        here, there = owner.attributes[ends.local], target.attributes[ends.remote]
        if here.kind is not there.kind:
            raise self._wrong(f"compares {here.name}, a {here.kind}, with {target.name}'s {there.name}, a {there.kind}")
        return ends

    def _attribute(self, meta: StoreMeta[Any], name: str) -> str:
        if name not in meta.attributes:
            raise self._wrong(f"goes by {name}, which is not an attribute of {meta.name}")
        return name

    def _key(self, meta: StoreMeta[Any]) -> str:
        if len(meta.key_attributes) != 1:
            raise self._wrong(f"leads by the key of {meta.name}, which has several parts")
        return meta.key_attributes[0].name

    def _back(self, to: StoreMeta[Any], of: StoreMeta[Any], by: str | None) -> str:
        """The attribute of `of` that holds the key of `to`."""
        if by is not None:
            return self._attribute(of, by)
        found = [one.by for one in of.links.values() if one.kind == "belongs_to" and one.leads_to(to)]
        if len(found) > 1:
            raise self._wrong(f"may go by any of {', '.join(found)} of {of.name}: name one in `by`")
        return self._attribute(of, found[0] if found else f"{to.name}_{self._key(to)}")

    def leads_to(self, meta: StoreMeta[Any]) -> bool:
        """Is this the target, as far as its name tells?"""
        if isinstance(self._target, str):
            return snake(self._target) == meta.name or self._target == meta.item.__name__
        return self._target is meta.item


ENDS: dict[str, Callable[[Link, Any, Any, Any], Ends]] = {
    "belongs_to": Link._belongs,
    "has_many": Link._has,
    "has_one": Link._has,
    "has_count": Link._has,
}
"""Kind of link → how its ends are found."""


class LinkExpression(Generic[T]):
    """A link on its class, which builds filters about the items at its other end: `User.messages.any(Message.rank > 3)`,
    `Message.author.username == "ann"`.

    To a type checker, a link to one item is the class of that item, so that each of its attributes has its type; a link to many has
    only `any`.
    """

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def __get__(self, item: Any, owner: type | None = None) -> Any:
        if item is None:
            return self
        raise AttributeError(f"{self._link.name} is a link that is not loaded: load it with store.links(...)")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._link.ends.target.item, name, None)
        if isinstance(found, AttributeExpression):
            return found.below(self._link.name)
        if isinstance(found, LinkExpression):
            return _Path((self._link.name,), found._link)
        raise AttributeError(f"{self._link.ends.target.name} has no attribute {name}")

    def __repr__(self) -> str:
        return repr(self._link)

    def any(self, where: Filter | None = None) -> Filter:
        """There is an item at the other end, and one that matches."""
        return Linked(self._link.name, where)


class _Path:
    """A link behind other links: `Message.author.team`."""

    __slots__ = ("_link", "_steps")

    def __init__(self, steps: tuple[str, ...], link: Link) -> None:
        self._steps, self._link = steps, link

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._link.ends.target.item, name, None)
        steps = (*self._steps, self._link.name)
        if isinstance(found, AttributeExpression):
            return found.below(".".join(steps))
        if isinstance(found, LinkExpression):
            return _Path(steps, found._link)
        raise AttributeError(f"{self._link.ends.target.name} has no attribute {name}")

    def any(self, where: Filter | None = None) -> Filter:
        found = Linked(self._link.name, where)
        for step in reversed(self._steps):
            found = Linked(step, found)
        return found


LinkName = str | type[Any] | LinkExpression[Any]
"""`"author"` or `Message.author`, which a type checker takes for the class of its target."""


def link_name(of: Any) -> str | None:
    """The name of a link given as `Message.author` or as text; None for anything else."""
    return of._link.name if isinstance(of, LinkExpression) else of if isinstance(of, str) else None
