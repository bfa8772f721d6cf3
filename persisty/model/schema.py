"""`Schema`: the inert description of an item. A `@stored` class and a JSON document make the same schema.

A schema is data: it refers to classes and functions by name only. `persisty.model.compilation` compiles it to a `StoreMeta`,
`persisty.model.schema_json` reads and writes it as JSON.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import msgspec

from .access import Access
from .cache_policy import Cache
from .expressions import Filter
from .links import LinkKind
from .rules import Rule
from .schema_types import Part, Type

FORMAT: Literal[1] = 1
"""The version of the format. A document of another version is rejected."""

DOCUMENTATION = frozenset({"description", "title", "examples", "extra_json_schema"})
"""The members that document a schema. They are not part of its hash."""


class Default(Part, frozen=True, tag_field="kind"):
    """Fills in a value that is left out: a `Value` or a `Function`."""


class Value(Default, frozen=True, tag="value"):
    """A value, in JSON as the type writes it."""

    value: Any


class Function(Default, frozen=True, tag="function"):
    """A function that makes a new value each time, by its name `module.function`."""

    function: str


DEFAULTS: tuple[type[Default], ...] = (Value, Function)


class Definition(Part, frozen=True, tag_field="kind", kw_only=True):
    """A type that has a name. `python`: its class, as `module.class`, if the class has checks or conversions of its own, which a schema cannot
    describe. The definition then compiles where the app supplies the class."""

    python: str | None = None


class Enumeration(Definition, frozen=True, tag="enum", kw_only=True):
    """Named values. `base`: the Python class that the members extend."""

    members: dict[str, str | int]
    base: Literal["Enum", "IntEnum", "StrEnum"] = "Enum"
    description: str | None = None

    @property
    def values(self) -> tuple[str | int, ...]:
        """The values in order, each once."""
        return tuple(dict.fromkeys(self.members.values()))


class Field(Part, frozen=True, kw_only=True):
    """A field of an object. `json`: its name in JSON, where that is another. `omittable`: an object may lack the field. A value must be given of a
    field that is not omittable and has no `default`."""

    name: str
    type: Type
    json: str | None = None
    default: Default | None = None
    omittable: bool = False

    @property
    def key(self) -> str:
        """Its name in JSON."""
        return self.json or self.name

    @property
    def required(self) -> bool:
        """True if a value must be given."""
        return self.default is None and not self.omittable


class Object(Definition, frozen=True, tag="object", kw_only=True):
    """An object with declared fields. `array_like`: in JSON it is an array of the values."""

    fields: tuple[Field, ...]
    array_like: bool = False
    frozen: bool = False
    closed: bool = False
    """True if members that are not fields are rejected."""
    omit_defaults: bool = False
    tag_field: str | None = None
    tag: str | int | None = None
    description: str | None = None


DEFINITIONS: tuple[type[Definition], ...] = (Enumeration, Object)


class AttributeSchema(Part, frozen=True, kw_only=True):
    """An attribute. `id` identifies it for as long as it exists, even if it is renamed.

    `generator`: a name of `persisty.model.generators.GENERATORS`, or one that the app supplies. `creatable` and `updatable` follow from
    the generator and the key where they are None.
    """

    id: str
    name: str
    type: Type
    optional: bool = False
    default: Default | None = None
    generator: str | None = None
    readable: Rule | bool = True
    creatable: Rule | bool | None = None
    updatable: Rule | bool | None = None
    description: str | None = None
    former_names: tuple[str, ...] = ()


class IndexSchema(Part, frozen=True, kw_only=True):
    """An index over attributes; `unique`: no two items have the same values."""

    attributes: tuple[str, ...]
    unique: bool = False


class LinkSchema(Part, frozen=True, kw_only=True):
    """A link to the items of the store `target`. `by`, `through` and `on_delete` are those of `persisty.link`; `through` names a store."""

    name: str
    type: LinkKind
    target: str
    by: str | None = None
    through: str | None = None
    on_delete: str = "ignore"
    description: str | None = None
    former_names: tuple[str, ...] = ()

    @property
    def key_attribute(self) -> str:
        """The foreign key, of a `belongs_to`."""
        return self.by or f"{self.name}_id"


class Schema(Part, frozen=True, kw_only=True, eq=False, dict=True):
    """An item: the name of its store, attributes in order, key, indexes, links, access rules and policies. `table`: the name of its table, None for that of
    the store.

    Two schemas are equal if they have the same hash, which leaves documentation out (see `DOCUMENTATION`).
    """

    persisty: Literal[1] = FORMAT
    name: str
    attributes: tuple[AttributeSchema, ...]
    key: tuple[str, ...] = ("id",)
    indexes: tuple[IndexSchema, ...] = ()
    links: tuple[LinkSchema, ...] = ()
    access: Access | Rule | None = None
    cache: Cache | None = None
    conditional_writes: bool = False
    engine: str | None = None
    table: str | None = None
    expires: str | None = None
    types: dict[str, Definition] = {}
    description: str | None = None
    former_names: tuple[str, ...] = ()

    @property
    def table_or_name(self) -> str:
        """The name of the table in the app: `table`, by default the name of the store."""
        return self.table or self.name

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the canonical JSON, in hexadecimal digits, without the documentation."""
        return sha256(msgspec.json.encode(canonical(self, documented=False), order="deterministic")).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)


class Document(Part, frozen=True, kw_only=True):
    """The schemas of an app."""

    persisty: Literal[1] = FORMAT
    schemas: tuple[Schema, ...]


OWN = (Part, Rule, Filter, Access, Cache)
"""The records that a schema is made of. Everything else in it is a value."""


def canonical(part: Any, *, documented: bool = True) -> Any:
    """Return a part as JSON values. A member that has its default is left out, except `persisty`."""
    if isinstance(part, OWN):
        cls, config = type(part), part.__struct_config__
        found = {config.tag_field: config.tag} if config.tag_field else {}
        defaults = (
            *[msgspec.NODEFAULT] * (len(cls.__struct_fields__) - len(cls.__struct_defaults__)),
            *cls.__struct_defaults__,
        )
        for name, default in zip(cls.__struct_fields__, defaults, strict=True):
            value = getattr(part, name)
            is_default = value is default or (type(value) is type(default) and value == default) or value == {}
            if (name == "persisty" or not is_default) and (documented or name not in DOCUMENTATION):
                found[name] = canonical(value, documented=documented)
        return found
    if isinstance(part, list | tuple):
        return [canonical(one, documented=documented) for one in part]
    if isinstance(part, dict):
        return {name: canonical(one, documented=documented) for name, one in part.items()}
    return msgspec.to_builtins(part, str_keys=True)
