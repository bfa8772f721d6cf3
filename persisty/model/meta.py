"""`StoreMeta`: everything known about a stored item, frozen. Runtime, surfaces and plan are all computed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct

from ..errors import InvalidDeclaration
from .access import Access
from .cache_policy import Cache
from .generators import Generator
from .indexes import Index
from .keys import KeyCodec, KeyConfig, KeyValues
from .rules import Rule, nobody
from .schema import LinkSchema, Schema
from .schema_types import Type
from .types import PRIMITIVE, SORTABLE, Kind, identity

T = TypeVar("T")
X = TypeVar("X")


class Attribute(Struct, frozen=True):
    """One attribute of an item.

    `type` is the annotation without None, with all constraints, as msgspec converts to it; `described` is the declared type as data,
    with the declared constraints alone, None for a nested attribute; `operand` is the type of what it is compared with, free of the
    declaration's constraints. `normalise` makes equal values identical. `get` reads the
    value from an item. `required`: a create must give it. `readable`, `creatable`, `updatable`: which callers may see and give it:
    True for those that the item's own rule allows, False for no caller, a rule for those that it allows as well.

    `place.city` is an attribute nested in the object `place`: `path` leads to it in the object's JSON, and `get` gives None
    where anything on the way is null. It can be compared, and only that.
    """

    name: str
    kind: Kind
    type: Any
    operand: Any
    get: Callable[[Any], Any]
    normalise: Callable[[Any], Any] | None = None
    optional: bool = False
    required: bool = False
    readable: Rule | bool = True
    creatable: Rule | bool = True
    updatable: Rule | bool = True
    generator: Generator | None = None
    default: Any = None
    description: str | None = None
    path: tuple[str, ...] = ()
    described: Type | None = None

    @property
    def root(self) -> str:
        """The attribute of the item: itself, or the one whose object it is nested in."""
        return self.name.partition(".")[0]

    @property
    def sortable(self) -> bool:
        return self.kind in SORTABLE

    @property
    def primitive(self) -> Callable[[Any], Any]:
        """Value → a Python value that orders as every engine orders it."""
        return PRIMITIVE.get(self.kind, identity)


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


Known = Mapping[str, "StoreMeta[Any]"]
"""Items by the names of their stores."""


class Link:
    """A compiled link: its declaration, and its ends, which are set once and never changed.

    `target` and `through` are the classes or names that the declaration gave. The catalogue of an app sets the ends. Without an app, they are
    looked up in the declaring module when they are first needed.
    """

    def __init__(
        self, declared: LinkSchema, target: Any, through: Any, owner: str, find: Callable[[Link, Known], Ends]
    ) -> None:
        self.declared, self.target, self.through = declared, target, through
        self.name, self.kind, self.on_delete = declared.name, declared.type, declared.on_delete
        self.by, self.description = declared.key_attribute, declared.description
        self._owner, self._find = owner, find
        self._ends: Ends | None = None

    def __repr__(self) -> str:
        return f"<link {self._owner}.{self.name}>"

    @property
    def ends(self) -> Ends:
        """The items and attributes that it connects. `InvalidDeclaration` for an unknown name, or for ends that do not fit."""
        return self._ends or self.bind({})

    @property
    def bound(self) -> Ends | None:
        """The ends, None as long as they are not set."""
        return self._ends

    def find(self, known: Known) -> Ends:
        """Return the ends for these items, and set nothing: names are looked up in `known`, by class and store, then in the declaring module."""
        return self._find(self, known)

    def bind(self, known: Known) -> Ends:
        """Return the ends. The first call sets them, as `find` finds them."""
        if self._ends is None:
            self._ends = self._find(self, known)
        return self._ends

    def unbound(self) -> Link:
        """Return the same link without ends."""
        return Link(self.declared, self.target, self.through, self._owner, self._find)


class StoreMeta(Struct, Generic[T], frozen=True, eq=False, weakref=True):
    """A stored item: its name (`message_draft`), its class, attributes in order of declaration, key and indexes.

    `schema` is the inert description that this was compiled from. `access`: the item's rules, one for every verb or one each; None denies every caller. `nested`: the attributes of nested objects, by path.
    `links` lead to other items. `cache`: how old an answer about an item may be, None where nothing was said. `conditional_writes`:
    callers of surfaces have to say which state of an item they update or delete. `engine`: the name of the engine that the items are in, None
    for the app's own. `expires`: the attribute that has the second, counted
    from 1970, from which on an item counts for nothing, so that an engine may drop it. `compiled`: what `per_meta` functions have made of it,
    which goes when it goes.
    """

    name: str
    item: type[T]
    attributes: Mapping[str, Attribute]
    key: KeyConfig
    key_attributes: tuple[Attribute, ...]
    key_codec: KeyCodec
    schema: Schema
    indexes: tuple[Index, ...] = ()
    access: Access | Rule | None = None
    description: str | None = None
    nested: Mapping[str, Attribute] = MappingProxyType({})
    links: Mapping[str, Link] = MappingProxyType({})
    cache: Cache | None = None
    conditional_writes: bool = False
    engine: str | None = None
    expires: str | None = None
    compiled: dict[Any, Any] = msgspec.field(default_factory=dict)

    def altered(self, **fields: Any) -> StoreMeta[T]:
        """A copy with other fields, of which nothing is compiled yet."""
        return msgspec.structs.replace(self, **fields, compiled={})

    def find(self, name: str) -> Attribute | None:
        """The attribute of this name, or at this path such as `place.city`; None if there is none."""
        return self.attributes.get(name) or self.nested.get(name)

    def attribute(self, name: str) -> Attribute:
        """The attribute of a resolved filter's comparison: like `find`, for names that are known to be right."""
        return self.attributes.get(name) or self.nested[name]

    def rule(self, verb: str) -> Rule:
        """Return the access rule of a verb. Without a declared rule, no caller may do it."""
        return nobody if self.access is None else self.access.of(verb)

    @property
    def sequences(self) -> tuple[str, ...]:
        """The attributes that the engine numbers."""
        return tuple(one.name for one in self.attributes.values() if one.generator and one.generator.sequence)

    @property
    def uniques(self) -> tuple[Index, ...]:
        """The indexes whose values occur once."""
        return tuple(index for index in self.indexes if index.unique)

    def key_values(self, item: T) -> KeyValues:
        """The typed values of the item's key attributes."""
        if len(self.key_attributes) == 1:
            return (self.key_attributes[0].get(item),)
        return tuple([one.get(item) for one in self.key_attributes])

    def key_of(self, item: T) -> str:
        """The item's string key."""
        return self.key_codec.text(self.key_values(item))


def per_meta(function: Callable[..., X]) -> Callable[..., X]:
    """Cache the results of a function of a meta, and of hashable arguments after it. The cache is in the meta, and is freed with it."""

    @wraps(function)
    def known(meta: StoreMeta[Any], *rest: Any) -> X:
        key = (function, *rest) if rest else function
        found = meta.compiled.get(key, UNSET)
        if found is UNSET:
            found = meta.compiled[key] = function(meta, *rest)
        return found  # type: ignore[no-any-return]

    return known


def meta_of(item: Any) -> StoreMeta[Any]:
    """The meta of a `@stored` class; `InvalidDeclaration` for anything else."""
    meta = getattr(item, "__persisty__", None)
    if not isinstance(meta, StoreMeta):
        raise InvalidDeclaration(f"{item!r} is not a @stored class")
    return meta
