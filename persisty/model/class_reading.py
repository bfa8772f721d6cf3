"""Read a `@stored` class: its annotations and declarations become a `Schema`, and `Bindings` with its own types and functions."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, ForwardRef, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import UNSET

from ..errors import Fault
from ..naming import snake
from .access import Access
from .attribute_declaration import ONE_TYPE, Attr, has_two_types
from .compilation import Bindings
from .declaration_checks import check_rule_types
from .generators import CREATED, GENERATED, GENERATORS, OWNER, UPDATED, UUID4, Generator
from .links import LinkSpec, LinkType
from .qualified_names import Names
from .rules import Custom, CustomFunction, Rule, replaced
from .schema import AttributeSchema, Default, Function, LinkSchema, Schema, Value
from .type_descriptions import Describer, described, item_of
from .types import bare, metas_of, unwrap

CONVENTIONS: dict[tuple[str, type], Any] = {
    ("id", UUID): UUID4,
    ("created_at", datetime): CREATED,
    ("updated_at", datetime): UPDATED,
}
"""(attribute, type) → the generator an attribute of that name and type has unless it declares another."""


def read_class(cls: type, settings: Mapping[str, Any], faults: list[Fault]) -> tuple[Schema, Bindings]:
    """Return the schema of a class, and the bindings of its types and functions. `settings`: the members of the schema that the
    decorator was given."""
    hints = _hints(cls, faults)
    kinds = {name: hints.pop(name) for name, hint in [*hints.items()] if isinstance(hint, LinkType)}
    access, describer = settings["access"], Describer()
    owners = () if access is None or check_rule_types("", access) else access.owners
    annotations: dict[str, Any] = {}
    attributes: list[AttributeSchema] = []
    for name, hint in hints.items():
        annotations[name], optional = unwrap(hint)
        given = getattr(cls, name, UNSET)
        spec: Attr[Any] = given if isinstance(given, Attr) else Attr(default=given)
        attributes.append(_attribute(name, annotations[name], optional, spec, name in owners, describer, faults))
        faults += _hidden_within(name, annotations[name])
    faults += _without_annotation(cls, {*hints, *kinds})
    links, targets = [], {}
    for name, kind in kinds.items():
        declared = _link_spec(cls, name, faults)
        targets[name] = (kind.target, declared.through)
        links.append(_link(cls, name, kind, declared))
    schema = Schema(
        attributes=_identified(attributes),
        links=tuple(links),
        types=describer.definitions,
        description=cls.__doc__.strip() if cls.__doc__ else None,
        **{**settings, "access": _inert(access, describer.names)},
    )
    return schema, Bindings(cls, annotations, describer.names.things, targets)


def _without_annotation(cls: type, declared: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each declaration that has no annotation, as `text = Attr(default="")`: Python treats it as a class attribute."""
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, Attr | Generator | LinkSpec) and name not in declared:
                expected = f"{name}: HasMany[…] = link()" if isinstance(value, LinkSpec) else f"{name}: Attr[…] = …"
                yield Fault(f"/{name}", "has no annotation, so it is not an attribute", expected)


def _hidden_within(name: str, annotation: Any) -> Iterator[Fault]:
    """Yield a fault for each stored item within an attribute's type that has attributes which not every caller may read: their rules apply to the
    item itself, and not to copies of it within other items."""
    for cls in described(annotation).classes.values():
        meta = item_of(cls)
        hidden = [one.name for one in meta.attributes.values() if one.readable is not True] if meta else []
        if meta is not None and hidden:
            message = f"would show {', '.join(hidden)} of {meta.name} to every caller that may read it"
            yield Fault(f"/{name}", message, "a link to the item, or a class that is not stored", cls.__name__)


class _Scope(dict[str, Any]):
    """The names in annotations: members of the class and the names of its module. An unknown name is returned as text,
    so that a link can lead to an item that is declared later."""

    def __init__(self, cls: type) -> None:
        self._cls, self._module = cls, vars(sys.modules[cls.__module__])

    def __missing__(self, name: str) -> Any:
        if name in self._module or hasattr(builtins, name):
            raise KeyError(name)
        return vars(self._cls).get(name, name)


def _hints(cls: type, faults: list[Fault]) -> dict[str, Any]:
    try:
        hints = get_type_hints(cls, localns=_Scope(cls), include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        faults.append(Fault("", f"annotations cannot be resolved: {ONE_TYPE if has_two_types(error) else error}"))
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


def _attribute(
    name: str, inner: Any, optional: bool, spec: Attr[Any], owns: bool, describer: Describer, faults: list[Fault]
) -> AttributeSchema:
    by_convention = CONVENTIONS.get((name, bare(inner))) or (OWNER if owns else None)
    generator: Generator | None = by_convention if spec.generator in (None, GENERATED) else spec.generator
    if spec.generator is GENERATED and generator is None:
        prefixes = ", ".join(f"{prefixes}: {kind.__name__}" for prefixes, kind in CONVENTIONS)
        faults.append(
            Fault(
                f"/{name}",
                f"has no generator by convention: {_way_out(inner)}",
                f"one of {prefixes}",
                f"{name}: {getattr(bare(inner), '__name__', inner)}",
            )
        )
    if spec.default is not UNSET and spec.factory:
        faults.append(Fault(f"/{name}", "has both a default and a factory"))
    former = _several(spec.former_names)
    return AttributeSchema(
        id=former[0] if former else name,
        name=name,
        type=describer.describe(inner),
        optional=optional,
        default=_default(name, optional, spec, describer.names, faults),
        generator=None if generator is None else _generator_name(generator, describer.names),
        readable=_inert(spec.readable, describer.names),
        creatable=_inert(spec.creatable, describer.names),
        updatable=_inert(spec.updatable, describer.names),
        description=spec.description or next((meta.description for meta in metas_of(inner) if meta.description), None),
        former_names=former,
    )


NAMED: dict[Any, str] = {int: "SEQUENCE", str: "UUID4_TEXT", UUID: "UUID4", datetime: "CREATED"}
"""Type → the generator for it that has no convention of name."""


def _way_out(inner: Any) -> str:
    named = NAMED.get(bare(inner))
    owner = ", or `= SUBJECT` for the caller, as `owned()` needs it" if named == "UUID4_TEXT" else ""
    return f"write `= {named}`{owner}" if named else "write `= Attr(factory=...)`"


def _identified(attributes: list[AttributeSchema]) -> tuple[AttributeSchema, ...]:
    """Return the attributes with unique ids: an attribute whose name is the former name of another gets a number."""
    former = {one.id for one in attributes if one.former_names}
    return tuple(
        msgspec.structs.replace(one, id=f"{one.id}#2") if one.id in former and not one.former_names else one
        for one in attributes
    )


def _several(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _default(name: str, optional: bool, spec: Attr[Any], names: Names, faults: list[Fault]) -> Default | None:
    if spec.factory is not None:
        return Function(names.name(spec.factory))
    if spec.default is UNSET:
        return None
    if spec.default is None:
        if not optional:
            faults.append(Fault(f"/{name}", "defaults to None but is not optional"))
        return None
    if isinstance(spec.default, list | dict | set | bytearray) or _is_mutable_struct(spec.default):
        faults.append(Fault(f"/{name}", "has a mutable default: use Attr(factory=...)"))
        return None
    return Value(spec.default)


def _is_mutable_struct(value: Any) -> bool:
    """Return whether the value is a Struct that is not frozen, which msgspec rejects as a default."""
    return isinstance(value, msgspec.Struct) and not value.__struct_config__.frozen


def _generator_name(generator: Generator, names: Names) -> str:
    is_builtin = GENERATORS.get(generator.name) is generator
    return generator.name if is_builtin else names.name(generator, generator.name)


def _inert(given: Any, names: Names) -> Any:
    """Return rules with each function replaced by its name. Anything else is returned unchanged, and the checks reject it."""

    if given is None or isinstance(given, bool):
        return given

    def named(rule: Rule) -> Rule:
        return Custom(names.name(rule.function)) if isinstance(rule, CustomFunction) else rule

    if isinstance(given, Rule):
        return replaced(given, named)
    if isinstance(given, Access):
        return Access(**{verb: _inert(getattr(given, verb), names) for verb in given.__struct_fields__})
    return given


def _link_spec(cls: type, name: str, faults: list[Fault]) -> LinkSpec:
    given = getattr(cls, name, UNSET)
    if isinstance(given, LinkSpec):
        return given
    if given is not UNSET:
        faults.append(Fault(f"/{name}", "is a link but has a default", "link(...)", repr(given)[:80]))
    return LinkSpec()


def _link(cls: type, name: str, kind: LinkType, spec: LinkSpec) -> LinkSchema:
    return LinkSchema(
        name=name,
        type=kind.kind,
        target=_store_name(cls, kind.target),
        by=spec.by,
        through=None if spec.through is None else _store_name(cls, spec.through),
        on_delete=spec.on_delete,
        description=spec.description,
        former_names=_several(spec.former_names),
    )


def _store_name(cls: type, target: Any) -> str:
    """Return the name of the target's store. For a class that is not declared yet, it is the default name."""
    if isinstance(target, str):
        target = getattr(sys.modules.get(cls.__module__), target, target)
    meta = getattr(target, "__persisty__", None)
    if meta is not None:
        return str(meta.name)
    return snake(target if isinstance(target, str) else getattr(target, "__name__", repr(target)))
