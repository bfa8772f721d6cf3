"""Compile a `Schema` to a `StoreMeta`: the one way to a stored item, from a `@stored` class and from a JSON document.

The flow: resolve each attribute's type, check the whole declaration and report every mistake at once, build the Struct with its filter
expressions, and freeze the meta. Bindings supply the objects that a schema only names: the class, its own Python types, and functions.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ..errors import Fault, InvalidDeclaration
from ..naming import pascal
from .access import Access
from .decimal_bounds import bounded, bounds_inside, split_bounds
from .declaration_checks import (
    FLAGS,
    check_cache,
    check_cases,
    check_expires,
    check_flags,
    check_indexes,
    check_key,
    check_links,
    check_names,
    check_rule_types,
    check_rules,
    check_table,
)
from .expressions import AttributeExpression
from .generator_checks import check_generators
from .generators import GENERATORS, OWNER, Generator
from .indexes import Index, Unique
from .item_classes import item_class
from .json_values import normaliser, unstorable
from .key_bounds import DOT_SEGMENTS, key_text
from .keys import KeyConfig, key_codec
from .links import LinkExpression
from .meta import Attribute, Link, StoreMeta
from .nested_attributes import fields_of, nested_attributes
from .relations import ends_of
from .rules import Custom, CustomFunction, Rule, replaced, rules_within
from .schema import AttributeSchema, Function, Schema, Value
from .type_checks import check_types
from .type_construction import FACTORIES, annotation_of, types_of
from .types import (
    IMPLICIT,
    Kind,
    bare,
    comparable,
    constrained,
    kind_of,
    unwrap,
)

INVALID_TYPE = (TypeError, ValueError, re.error)
"""Errors of types with contradictory constraints."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Bindings(Struct, frozen=True):
    """Python objects that a schema only names.

    `item`: the class body. `annotations`: attribute → its Python type, without None. `named`: a name in the schema → the function, generator or type.
    `targets`: link → its target and the join item, by class or name. `types`: types made from definitions; schemas that share it share equal types.
    """

    item: type[Any] | None = None
    annotations: Mapping[str, Any] = NOTHING
    named: Mapping[str, Any] = NOTHING
    targets: Mapping[str, tuple[Any, Any]] = NOTHING
    types: dict[str, Any] = msgspec.field(default_factory=dict)


def compile_schema(schema: Schema, bindings: Bindings | None = None, faults: Iterable[Fault] = ()) -> StoreMeta[Any]:
    """Return the meta of a schema, and the class of its items in it.

    `InvalidDeclaration` lists every mistake, after the `faults` that are already known. A function, a generator or a type that the
    schema names and the app does not supply is a mistake.
    """
    bound, found = bindings or Bindings(), [*faults]
    title = bound.item.__qualname__ if bound.item else schema.name
    access = _access(schema, bound, found)
    drafts = _drafts(schema, bound, () if access is None else access.owners, found)
    links = {one.name: one for one in schema.links}
    key, indexes = (
        KeyConfig(schema.key),
        tuple((Unique if one.unique else Index)(*one.attributes) for one in schema.indexes),
    )
    check_names(schema.name, [*drafts, *links], found)
    check_table(schema.table, found)
    check_cases(drafts, found)
    check_types(schema, found)
    check_key(key, drafts, found)
    check_generators(drafts.values(), found)
    check_indexes(indexes, drafts, found)
    check_rules(schema.name, access, drafts, links, found)
    cache = check_cache(schema.cache, drafts.get, found)
    check_expires(schema.expires, drafts, found)
    check_links(schema.links, drafts, found)
    if found:
        raise InvalidDeclaration(f"{title} cannot be stored", faults=found)
    body = bound.item or type(pascal(schema.name), (), {"__module__": __name__, "__doc__": schema.description})
    item = item_class(body, drafts, links)
    attributes = {name: msgspec.structs.replace(draft, get=vars(item)[name].__get__) for name, draft in drafts.items()}
    nested = {one.name: one for attribute in attributes.values() for one in nested_attributes(attribute)}
    for name in attributes:
        slot = vars(item)[name]
        setattr(item, name, AttributeExpression(name, slot.__get__, slot.__set__, fields_of(name, nested)))
    compiled = {name: _link(one, bound, item) for name, one in links.items()}
    for name, link in compiled.items():
        setattr(item, name, LinkExpression(name, partial(_target_of, link)))
    key_attributes = tuple(attributes[part] for part in key.attributes)
    meta: StoreMeta[Any] = StoreMeta(
        name=schema.name,
        item=item,
        attributes=MappingProxyType(attributes),
        key=key,
        key_attributes=key_attributes,
        key_codec=key_codec(tuple((one.kind, one.type) for one in key_attributes)),
        schema=schema,
        indexes=indexes,
        access=access,
        description=schema.description,
        nested=MappingProxyType(nested),
        links=MappingProxyType(compiled),
        cache=cache,
        conditional_writes=schema.conditional_writes,
        engine=schema.engine,
        expires=schema.expires,
    )
    item.__persisty__ = meta
    return meta


def compile_schemas(schemas: Iterable[Schema], named: Mapping[str, Any] = NOTHING) -> dict[str, StoreMeta[Any]]:
    """Return the metas of schemas that belong together, by name. Links lead from one to another, and equal types are one type.

    `InvalidDeclaration` lists the mistakes of every schema, each below the schema's name.
    """
    types: dict[str, Any] = {}
    found: dict[str, StoreMeta[Any]] = {}
    faults: list[Fault] = []
    for schema in schemas:
        try:
            found[schema.name] = compile_schema(schema, Bindings(named=named, types=types))
        except InvalidDeclaration as error:
            faults += [fault_below(schema.name, fault) for fault in error.faults]
    for meta in found.values():
        for link in meta.links.values():
            try:
                link.bind(found)
            except InvalidDeclaration as error:
                faults += [fault_below(meta.name, fault) for fault in error.faults]
    if faults:
        raise InvalidDeclaration("The schemas are not valid", faults=faults)
    return found


def fault_below(store: str, fault: Fault) -> Fault:
    """Return the fault with the store's name before its path. Faults of access rules have it already."""
    below = fault.path == f"/{store}" or fault.path.startswith(f"/{store}/")
    return fault if below else msgspec.structs.replace(fault, path=f"/{store}{fault.path}")


def _drafts(schema: Schema, bound: Bindings, owners: tuple[str, ...], faults: list[Fault]) -> dict[str, Attribute]:
    """Return the attributes without their getters, which exist only once the Struct is built."""

    def python(name: str) -> Any:
        return FACTORIES[name] if name in FACTORIES else bound.named[name]

    try:
        types = {} if bound.item else types_of(schema.types, bound.types, python)
    except LookupError as error:
        types = {}
        faults.append(_unsupplied("/types", "type or function", str(error.args[0])))
    except INVALID_TYPE as error:
        types = {}
        faults.append(Fault("/types", f"cannot be made: {error}"))
    found: dict[str, Attribute] = {}
    identified: dict[str, str] = {}
    for one in schema.attributes:
        if one.name in found:
            faults.append(Fault(f"/{one.name}", "is declared twice"))
            continue
        if (other := identified.setdefault(one.id, one.name)) != one.name:
            faults.append(Fault(f"/{one.name}", f"has the id of {other}", "a unique id", one.id))
        annotation = bound.annotations.get(one.name)
        if annotation is None:
            try:
                annotation = annotation_of(one.type, types.__getitem__, python)
            except LookupError as error:
                faults.append(_unsupplied(f"/{one.name}/type", "type", str(error.args[0])))
                continue
            except INVALID_TYPE as error:
                faults.append(Fault(f"/{one.name}/type", f"is not a type: {error}"))
                continue
        found[one.name] = _draft(schema, one, unwrap(annotation)[0], bound, owners, faults)
    return found


def _draft(
    schema: Schema, one: AttributeSchema, inner: Any, bound: Bindings, owners: tuple[str, ...], faults: list[Fault]
) -> Attribute:
    kind = kind_of(inner)
    inner, bounds = split_bounds(inner) if kind is Kind.DECIMAL else (inner, NOTHING)
    inner = constrained(inner, IMPLICIT.get(kind, {}))
    if one.name in schema.key and kind is Kind.STRING:
        inner = constrained(inner, {"min_length": 1})
    lone = schema.key == (one.name,) and kind is Kind.STRING
    if lone:
        inner = constrained(inner, {"extra_json_schema": {"not": {"enum": list(DOT_SEGMENTS)}}})
    generator = _generator(one, bound, owners, faults)
    if generator and one.default is not None:
        faults.append(Fault(f"/{one.name}", "has both a generator and a default"))
    normalise = None
    try:
        msgspec.json.Decoder(inner)
        if kind is Kind.JSON and (foreign := unstorable(inner)):
            raise TypeError(f"JSON has no form for {', '.join(foreign)}")
        in_key = one.name in schema.key and kind is Kind.STRING
        normalise = key_text(schema.key.index(one.name), lone=lone) if in_key else normaliser(kind, inner)
        normalise = bounded(normalise, bounds) if bounds else normalise
    except (TypeError, ValueError) as error:
        wrong = Fault(f"/{one.name}", f"has a type that cannot be stored: {error}", found=str(inner))
        faults.append(bounds_inside(f"/{one.name}", inner) or wrong)
    default = _default(one, inner, normalise, bound, faults)
    settable = generator is None or generator.given
    readable, creatable, updatable = (
        _bound(given, bound, f"/{schema.name}/{one.name}/{flag}", faults)
        for flag, given in zip(FLAGS, check_flags(schema.name, one, faults), strict=True)
    )
    return Attribute(
        name=one.name,
        kind=kind,
        type=inner,
        operand=constrained(comparable(inner), IMPLICIT.get(kind, {})),
        normalise=normalise,
        get=_no_getter,
        optional=one.optional,
        required=default is UNSET and generator is None,
        readable=True if readable is None else readable,
        creatable=settable if creatable is None else creatable,
        updatable=one.name not in schema.key and (generator is None if updatable is None else updatable),
        generator=generator,
        default=None if default is UNSET else default,
        description=one.description,
        described=one.type,
    )


def _generator(one: AttributeSchema, bound: Bindings, owners: tuple[str, ...], faults: list[Fault]) -> Generator | None:
    if one.generator is None:
        return OWNER if one.name in owners else None
    found = bound.named.get(one.generator, GENERATORS.get(one.generator))
    if isinstance(found, Generator):
        return found
    faults.append(Fault(f"/{one.name}", "Unknown generator", "one of " + ", ".join(GENERATORS), one.generator))
    return None


def _default(
    one: AttributeSchema, inner: Any, normalise: Callable[[Any], Any] | None, bound: Bindings, faults: list[Fault]
) -> Any:
    """Return the value, or a function, for a create that gives none. UNSET if the attribute has no default."""
    match one.default:
        case Function(name):
            made = FACTORIES.get(name) or bound.named.get(name)
            if not callable(made):
                faults.append(_unsupplied(f"/{one.name}/default", "function", name))
            return made
        case Value(given) if given is not None or not one.optional:
            try:
                member = type(given) is bare(inner)  # msgspec does not convert members of enums of integers
                value = given if member and isinstance(given, enum.Enum) else msgspec.convert(given, inner)
                value = value if normalise is None else normalise(value)
            except (TypeError, ValueError) as error:
                faults.append(Fault(f"/{one.name}", f"has a default that breaks its own type: {error}"))
                return UNSET
            if isinstance(value, list | dict | set | bytearray):  # each item gets its own
                return partial(msgspec.convert, given, inner)
            return value
    return None if one.optional else UNSET


def _access(schema: Schema, bound: Bindings, faults: list[Fault]) -> Access | Rule | None:
    """Return the access rules with their functions, None where they are not rules."""
    wrong = check_rule_types(f"/{schema.name}/access", schema.access)
    faults += wrong
    if wrong or schema.access is None:
        return None
    if isinstance(schema.access, Rule):
        return _bound_rule(schema.access, bound, f"/{schema.name}/access", faults)
    return Access(
        **{
            verb: _bound_rule(rule, bound, f"/{schema.name}/access/{verb}", faults)
            for verb, rule in schema.access.declared
        }
    )


def _bound(flag: Rule | bool | None, bound: Bindings, path: str, faults: list[Fault]) -> Rule | bool | None:
    """Return the flag of an attribute with its functions; a rule that is the same for every caller is a bool."""
    if not isinstance(flag, Rule):
        return flag
    return flag.constant if flag.constant is not None else _bound_rule(flag, bound, path, faults)


def _bound_rule(rule: Rule, bound: Bindings, path: str, faults: list[Fault]) -> Rule:
    """Return the rule with each name of a function replaced by the function."""

    def supplied(one: Rule) -> Rule:
        return CustomFunction(bound.named[one.function]) if isinstance(one, Custom) else one

    named = [(at, one.function) for at, one in rules_within(rule, path) if isinstance(one, Custom)]
    missing = [_unsupplied(at, "function", name) for at, name in named if not callable(bound.named.get(name))]
    faults += missing
    return rule if missing or not named else replaced(rule, supplied)


def _unsupplied(path: str, what: str, name: str) -> Fault:
    return Fault(path, f"Unknown {what}: a schema only names it, and the app does not supply it", f"a {what}", name)


def _link(declared: Any, bound: Bindings, item: type[Any]) -> Link:
    target, through = bound.targets.get(declared.name, (declared.target, declared.through))
    module = None if bound.item is None else bound.item.__module__

    def in_module(name: str) -> Any:
        return getattr(sys.modules.get(module or ""), name, name)

    def find(link: Link, metas: Any) -> Any:
        return ends_of(link, item.__persisty__, metas, in_module)

    return Link(declared, target, through, item.__name__, find)


def _target_of(link: Link) -> Any:
    return link.ends.target.item


def _no_getter(item: Any) -> Any:
    raise InvalidDeclaration("the item class is not built yet")
