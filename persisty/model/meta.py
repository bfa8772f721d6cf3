"""`StoreMeta`: the frozen, compiled declaration of a stored item. Runtime, surfaces and deployment plan are computed from it."""

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
    with the declared constraints alone, None for a nested attribute; `operand` is the type of values that it is compared with, without the
    declaration's constraints. `normalise` makes equal values identical. `get` reads the
    value from an item. `required`: a create must give it. `readable`, `creatable`, `updatable`: which callers may see and set it:
    True for those that the item's own rule allows, False for no caller, or a further rule.

    `place.city` is an attribute nested in the object `place`: `path` leads to it in the object's JSON, and `get` returns None
    if an object around it is null. It can only be compared. `absences`: for each step of the path, the value if the stored JSON ends before
    that step, by the defaults of the classes. `nulls`: for each step, whether its value may be null, and whether it has a default.
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
    absences: tuple[Any, ...] = ()
    nulls: tuple[tuple[bool, bool], ...] = ()
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
        """The foreign keys of `middle`."""
        return (self.near, self.far)


Metas = Mapping[str, "StoreMeta[Any]"]
"""Items by the names of their stores."""


class Link:
    """A compiled link: its declaration, and its ends, which are set once and never changed.

    `target` and `through` are the classes or names that the declaration gave. The catalogue of an app sets the ends. Without an app, they are
    looked up in the declaring module at the first use.
    """

    def __init__(
        self, declared: LinkSchema, target: Any, through: Any, owner: str, find: Callable[[Link, Metas], Ends]
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
        """The items and attributes that it connects. Raises `InvalidDeclaration` for an unknown name, or for ends that do not fit."""
        return self._ends or self.bind({})

    @property
    def bound(self) -> Ends | None:
        """The ends, None until they are set."""
        return self._ends

    def find(self, metas: Metas) -> Ends:
        """Return the ends for these items without setting them: names are looked up in `metas`, by class and store, then in the declaring module."""
        return self._find(self, metas)

    def bind(self, metas: Metas) -> Ends:
        """Return the ends. The first call sets them, as `find` finds them."""
        if self._ends is None:
            self._ends = self._find(self, metas)
        return self._ends

    def unbound(self) -> Link:
        """Return the same link without ends."""
        return Link(self.declared, self.target, self.through, self._owner, self._find)


class StoreMeta(Struct, Generic[T], frozen=True, eq=False, weakref=True):
    """A stored item: its name (`message_draft`), its class, attributes in order of declaration, key and indexes.

    `schema` is the inert description that this was compiled from. `access`: the item's rules, one for every verb or one for each; None denies every caller. `nested`: the attributes of nested objects, by path.
    `links` lead to other items. `cache`: how old a response about an item may be, None if it is not declared. `conditional_writes`:
    callers of surfaces must send a condition with each update and delete. `engine`: the name of the engine that stores the items, None
    for the app's own. `expires`: the attribute with the time, in seconds
    since 1970, after which an engine may delete the item. `compiled`: results of `per_meta` functions,
    freed together with the meta.
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
        """Return a copy with other fields and without compiled results."""
        return msgspec.structs.replace(self, **fields, compiled={})

    def find(self, name: str) -> Attribute | None:
        """Return the attribute of this name, or at this path such as `place.city`; None if there is none."""
        return self.attributes.get(name) or self.nested.get(name)

    def attribute(self, name: str) -> Attribute:
        """Return the attribute of a comparison in a resolved filter. The name must exist."""
        return self.attributes.get(name) or self.nested[name]

    def rule(self, verb: str) -> Rule:
        """Return the access rule of a verb. Without a declared rule, no caller may do it."""
        return nobody if self.access is None else self.access.of(verb)

    @property
    def table(self) -> str:
        """The name of the table in the app: that of the store unless another one is declared."""
        return self.schema.table_or_name

    @property
    def sequences(self) -> tuple[str, ...]:
        """The attributes whose values the engine assigns from a sequence."""
        return tuple(one.name for one in self.attributes.values() if one.generator and one.generator.sequence)

    @property
    def uniques(self) -> tuple[Index, ...]:
        """The unique indexes."""
        return tuple(index for index in self.indexes if index.unique)

    def key_values(self, item: T) -> KeyValues:
        """Return the typed values of the item's key attributes."""
        if len(self.key_attributes) == 1:
            return (self.key_attributes[0].get(item),)
        return tuple([one.get(item) for one in self.key_attributes])

    def key_of(self, item: T) -> str:
        """Return the item's string key."""
        return self.key_codec.text(self.key_values(item))


def per_meta(function: Callable[..., X]) -> Callable[..., X]:
    """Cache the results of a function of a meta and further hashable arguments. The cache is part of the meta and freed with it."""

    @wraps(function)
    def cached(meta: StoreMeta[Any], *rest: Any) -> X:
        key = (function, *rest) if rest else function
        found = meta.compiled.get(key, UNSET)
        if found is UNSET:
            found = meta.compiled[key] = function(meta, *rest)
        return found  # type: ignore[no-any-return]

    return cached


def meta_of(item: Any) -> StoreMeta[Any]:
    """Return the meta of a `@stored` class. Raises `InvalidDeclaration` for anything else."""
    meta = getattr(item, "__persisty__", None)
    if not isinstance(meta, StoreMeta):
        raise InvalidDeclaration(f"{item!r} is not a @stored class")
    return meta
