"""`@stored`: a class with annotations becomes an item: a msgspec Struct whose class attributes are filter expressions.

The flow: read the annotations, turn each into an `Attribute`, check the whole declaration and report every mistake at
once, build the Struct, and hang the frozen `StoreMeta` on it as `__persisty__`.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import (
    Any,
    ClassVar,
    ForwardRef,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ..errors import Fault, InvalidDeclaration
from ..naming import snake
from .attribute_declaration import Attr
from .cache_policy import check_cache
from .declaration_checks import check_indexes, check_key, check_names, check_owners
from .expressions import AttributeExpression
from .generators import CREATED, GENERATED, OWNER, UPDATED, UUID4, Generator
from .indexes import Index
from .keys import KeyConfig, key_codec
from .links import ACTIONS, Link, LinkExpression, LinkSpec, LinkType, link
from .meta import Attribute, StoreMeta
from .nested_attributes import fields_of, nested_attributes
from .types import IMPLICIT, Kind, bare, comparable, constrained, kind_of, metas_of, normaliser, unstorable, unwrap

T = TypeVar("T")

CONVENTIONS: dict[tuple[str, type], Any] = {
    ("id", UUID): UUID4,
    ("created_at", datetime): CREATED,
    ("updated_at", datetime): UPDATED,
}
"""(attribute, type) → the generator an attribute of that name and type has unless it says otherwise."""


@overload
def stored(cls: type[T], /) -> type[T]: ...
@overload
def stored(
    *,
    name: str | None = None,
    key: str | tuple[str, ...] = "id",
    indexes: Iterable[Index] = (),
    access: Any = None,
    cache: Any = None,
    conditional_writes: bool = False,
) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(kw_only_default=True, eq_default=True, field_specifiers=(Attr, link))
def stored(
    cls: type[T] | None = None,
    /,
    *,
    name: str | None = None,
    key: str | tuple[str, ...] = "id",
    indexes: Iterable[Index] = (),
    access: Any = None,
    cache: Any = None,
    conditional_writes: bool = False,
) -> Any:
    """Declare an item.

    `name` of the store (default: the class's, in snake case); `key`: the attribute, or the attributes in order, that
    make the string key; `indexes`; `access`: who may do what through REST and GraphQL (default: nobody, see
    `persisty.security`); `cache`: how old an answer may be, a `Cache` or one of servey's cache controls; `conditional_writes`: who
    updates or deletes through REST or GraphQL has to say on which condition, so that nobody overwrites what they have not seen. Raises
    `InvalidDeclaration` listing every mistake.
    """

    def declare(target: type[T]) -> type[T]:
        faults: list[Fault] = []
        names = _several("name", snake(target.__name__) if name is None else name, str, faults)
        keys = _several("key", key, str, faults)
        listed = _several("indexes", indexes, Index, faults)
        owners = tuple(getattr(access, "owners", ()))
        if not isinstance(conditional_writes, bool):
            faults.append(Fault("", "has conditional_writes of the wrong type", "bool", repr(conditional_writes)[:80]))
        if faults:
            raise InvalidDeclaration(f"{target.__qualname__} cannot be stored", faults=faults)
        return _declare(target, names[0], KeyConfig(keys), listed, access, owners, cache, conditional_writes)

    return declare if cls is None else declare(cls)


def _several(argument: str, given: Any, kind: type[T], faults: list[Fault]) -> tuple[T, ...]:
    """One or several of a kind, as a tuple."""
    found = (given,) if isinstance(given, kind) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(one, kind) for one in found):
        faults.append(Fault("", f"has {argument} of the wrong type", kind.__name__, repr(given)[:80]))
    return found


def _declare(
    cls: type[T],
    name: str,
    key: KeyConfig,
    indexes: tuple[Index, ...],
    access: Any,
    owners: tuple[str, ...],
    given: Any,
    conditional_writes: bool,
) -> type[T]:
    if inherited := [base.__name__ for base in cls.__mro__[1:] if hasattr(base, "__persisty__")]:
        fault = Fault("", f"inherits from the stored {inherited[0]}: share attributes by a class that is not stored")
        raise InvalidDeclaration(f"{cls.__qualname__} cannot be stored", faults=[fault])
    faults: list[Fault] = []
    hints = _hints(cls, faults)
    types_of_links = {name: hints.pop(name) for name, hint in [*hints.items()] if isinstance(hint, LinkType)}
    drafts = {attribute: _draft(cls, attribute, hint, key, owners, faults) for attribute, hint in hints.items()}
    check_names(name, [*drafts, *types_of_links], faults)
    check_key(key, drafts, faults)
    check_indexes(indexes, drafts, faults)
    check_owners(owners, drafts, faults)
    cache = check_cache(given, drafts.get, faults)
    links = {
        one: _link(cls, one, kind, drafts, lambda: item.__persisty__, faults) for one, kind in types_of_links.items()
    }
    if faults:
        raise InvalidDeclaration(f"{cls.__qualname__} cannot be stored", faults=faults)
    item = _build(cls, drafts, types_of_links)
    attributes = {
        attribute: msgspec.structs.replace(draft, get=vars(item)[attribute].__get__)
        for attribute, draft in drafts.items()
    }
    nested = {one.name: one for attribute in attributes.values() for one in nested_attributes(attribute)}
    for attribute in attributes:
        slot = vars(item)[attribute]
        setattr(
            item, attribute, AttributeExpression(attribute, slot.__get__, slot.__set__, fields_of(attribute, nested))
        )
    for one, declared in links.items():
        setattr(item, one, LinkExpression(declared))
    item.__persisty__ = StoreMeta(
        name=name,
        item=item,
        attributes=types.MappingProxyType(attributes),
        key=key,
        key_attributes=(key_attributes := tuple(attributes[part] for part in key.attributes)),
        key_codec=key_codec(tuple((one.kind, one.type) for one in key_attributes)),
        indexes=indexes,
        access=access,
        description=cls.__doc__.strip() if cls.__doc__ else None,
        nested=types.MappingProxyType(nested),
        links=types.MappingProxyType(links),
        cache=cache,
        conditional_writes=conditional_writes,
    )
    return item


class _Names(dict[str, Any]):
    """What names in annotations mean beside those of the module: members of the class, and for a name that is nobody's yet, itself, so
    that a link can lead to an item that is declared further down."""

    def __init__(self, cls: type) -> None:
        self._cls, self._module = cls, vars(sys.modules[cls.__module__])

    def __missing__(self, name: str) -> Any:
        if name in self._module or hasattr(builtins, name):
            raise KeyError(name)
        return vars(self._cls).get(name, name)


def _hints(cls: type, faults: list[Fault]) -> dict[str, Any]:
    try:
        hints = get_type_hints(cls, localns=_Names(cls), include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        faults.append(Fault("", f"annotations cannot be resolved: {error}"))
        return {}
    faults.extend(
        Fault("", f"annotations cannot be resolved: name {hint.__forward_arg__!r} is not defined")
        for name, hint in [*hints.items()]
        if isinstance(hint, ForwardRef) and hints.pop(name)
    )
    return {name: _declared(hint) for name, hint in hints.items() if get_origin(bare(hint)) is not ClassVar}


def _declared(hint: Any) -> Any:
    """Return the type of `Attr[str]`; a plain annotation is the type itself."""
    return get_args(hint)[0] if get_origin(hint) is Attr else hint


def _draft(cls: type, name: str, hint: Any, key: KeyConfig, owners: tuple[str, ...], faults: list[Fault]) -> Attribute:
    """The attribute without its getter, which exists only once the Struct is built."""
    inner, optional = unwrap(hint)
    kind = kind_of(inner)
    inner = constrained(inner, IMPLICIT.get(kind, {}))
    if name in key.attributes and kind is Kind.STRING:
        inner = constrained(inner, {"min_length": 1})
    given = getattr(cls, name, UNSET)
    spec: Attr[Any] = given if isinstance(given, Attr) else Attr(default=given)
    by_convention = CONVENTIONS.get((name, bare(inner))) or (OWNER if name in owners else None)
    generator: Generator | None = by_convention if spec.generator in (None, GENERATED) else spec.generator
    if spec.generator is GENERATED and generator is None:
        known = ", ".join(f"{known}: {kind.__name__}" for known, kind in CONVENTIONS)
        faults.append(Fault(f"/{name}", "has no generator by convention", f"one of {known}"))
    if generator and generator.sequence and kind is not Kind.INTEGER:
        faults.append(Fault(f"/{name}", "is a sequence but not an integer", expected="int", found=str(kind)))
    if generator and (spec.default is not UNSET or spec.factory):
        faults.append(Fault(f"/{name}", "has both a generator and a default"))
    if spec.default is not UNSET and spec.factory:
        faults.append(Fault(f"/{name}", "has both a default and a factory"))
    normalise = None
    try:
        if kind is Kind.JSON and (foreign := unstorable(inner)):
            raise TypeError(f"there is no JSON of {', '.join(foreign)}")
        msgspec.json.Decoder(inner)
        normalise = normaliser(kind, inner)
    except (TypeError, ValueError) as error:
        faults.append(Fault(f"/{name}", f"has a type that cannot be stored: {error}", found=str(hint)))
    default = _default(name, inner, optional, spec, normalise, faults)
    settable = generator is None or generator.given
    return Attribute(
        name=name,
        kind=kind,
        type=inner,
        operand=constrained(comparable(inner), IMPLICIT.get(kind, {})),
        normalise=normalise,
        get=_no_getter,
        optional=optional,
        required=default is UNSET and generator is None,
        readable=spec.readable,
        creatable=settable if spec.creatable is None else spec.creatable,
        updatable=name not in key.attributes and (generator is None if spec.updatable is None else spec.updatable),
        generator=generator,
        default=None if default is UNSET else default,
        description=spec.description or _description(inner),
    )


def _default(
    name: str,
    inner: Any,
    optional: bool,
    spec: Attr[Any],
    normalise: Callable[[Any], Any] | None,
    faults: list[Fault],
) -> Any:
    """The value, or a factory (any callable), for a create that gives none; UNSET where there is none."""
    if spec.factory is not None:
        return spec.factory
    if spec.default is UNSET or spec.default is None:
        if spec.default is None and not optional:
            faults.append(Fault(f"/{name}", "defaults to None but is not optional"))
        return None if optional else UNSET
    try:
        value = msgspec.convert(spec.default, inner)
        if normalise is not None:
            value = normalise(value)
    except (TypeError, ValueError) as error:
        faults.append(Fault(f"/{name}", f"has a default that breaks its own type: {error}"))
        return UNSET
    if isinstance(spec.default, list | dict | set | bytearray):
        faults.append(Fault(f"/{name}", "has a mutable default: use Attr(factory=...)"))
    return value


def _description(annotation: Any) -> str | None:
    return next((meta.description for meta in metas_of(annotation) if meta.description), None)


def _no_getter(item: Any) -> Any:
    raise InvalidDeclaration("the item class is not built yet")


def _link(
    cls: type, name: str, of: LinkType, drafts: Mapping[str, Attribute], owner: Callable[[], Any], faults: list[Fault]
) -> Link:
    given = getattr(cls, name, UNSET)
    spec = given if isinstance(given, LinkSpec) else LinkSpec()
    found = Link(name, of.kind, of.target, spec, owner)
    if given is not UNSET and given is not spec:
        faults.append(Fault(f"/{name}", "is a link but has a default", "link(...)", repr(given)[:80]))
    if spec.on_delete not in ACTIONS:
        faults.append(Fault(f"/{name}", "has no such on_delete", "one of " + ", ".join(ACTIONS), repr(spec.on_delete)))
    elif of.kind != "belongs_to":
        if spec.on_delete != "ignore":
            faults.append(Fault(f"/{name}", "has on_delete, which is for the BelongsTo at the other end to say"))
    elif found.by not in drafts:
        faults.append(Fault(f"/{name}", f"goes by {found.by}, which is not an attribute"))
    elif spec.on_delete == "nullify" and not drafts[found.by].optional:
        faults.append(Fault(f"/{name}", f"nullifies {found.by}, which may not be None"))
    if spec.through is not None and of.kind == "belongs_to":
        faults.append(Fault(f"/{name}", "belongs to an item through another"))
    return found


NOT_COPIED = frozenset(
    {"__dict__", "__weakref__", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
)
"""What a class body holds that belongs to the class and not to its namesake."""


def _build(cls: type, drafts: Mapping[str, Attribute], links: Iterable[str]) -> type[Any]:
    """A Struct with the class's own methods."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, draft in drafts.items():
        annotation = draft.type | None if draft.optional else draft.type
        if draft.required:
            fields.append((name, annotation))
        elif draft.generator:
            fields.append((name, annotation | UnsetType, UNSET))
        elif callable(draft.default):
            fields.append((name, annotation, msgspec.field(default_factory=draft.default)))
        else:
            fields.append((name, annotation, msgspec.field(default=draft.default)))
    return msgspec.defstruct(
        cls.__name__,
        fields,
        bases=(*(parent for parent in cls.__bases__ if parent is not object), Struct),
        module=cls.__module__,
        namespace={name: value for name, value in vars(cls).items() if name not in {*drafts, *links, *NOT_COPIED}},
        kw_only=True,
        forbid_unknown_fields=True,
    )
