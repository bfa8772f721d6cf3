"""Check a declaration: names, keys, indexes, access rules, links and policies that contradict the attributes are faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, get_args

from ..errors import Fault
from ..naming import RESERVED as OF_SYSTEM_STORES
from ..naming import snake
from .access import Access
from .cache_policy import MAX_SECONDS, Cache, cache_of
from .indexes import Index
from .keys import KeyConfig
from .links import ACTIONS
from .meta import Attribute
from .rules import Member, Owned, Rule, Through, leaves
from .schema import AttributeSchema, LinkSchema
from .types import KEYABLE, STORED_AS, Kind, bare, is_literal


def check_names(name: str, members: Iterable[str], faults: list[Fault]) -> None:
    if not name.isidentifier() or name != snake(name):
        faults.append(Fault("", "has a store name that is not in snake case", found=name))
    if len(name) > MAX_NAME:
        faults.append(Fault("", TOO_LONG, f"at most {MAX_NAME} characters", name[:80]))
    if name.startswith(OF_SQLITE):
        faults.append(
            Fault("", "has a name that SQLite reserves for its own tables", f"a name without {OF_SQLITE}", name)
        )
    if not members and not faults:
        faults.append(Fault("", "has no annotated attributes"))
    for attribute in members:
        faults.extend(
            Fault(f"/{attribute}", what, expected) for wrong, what, expected in WRONG_NAMES if wrong(attribute)
        )


def check_table(table: str | None, faults: list[Fault]) -> None:
    """Add a fault for a name of a table that an engine does not accept, or that is the name of a table of persisty or SQLite."""
    if table is None:
        return
    if not table.isidentifier() or table != snake(table):
        faults.append(Fault("", "has a table whose name is not in snake case", "a name such as car_2", table[:80]))
    elif len(table) > MAX_NAME:
        faults.append(
            Fault("", "has a table whose name PostgreSQL would cut off", f"at most {MAX_NAME} characters", table[:80])
        )
    elif table.startswith((OF_SQLITE, OF_SYSTEM_STORES)):
        expected = f"a name without {OF_SQLITE} and {OF_SYSTEM_STORES}"
        faults.append(Fault("", "has a table whose name is reserved", expected, table[:80]))


def check_cases(attributes: Iterable[str], faults: list[Fault]) -> None:
    """Add a fault for each attribute whose name differs from another only in upper and lower case: SQL databases have one column for both."""
    by_lower_case: dict[str, str] = {}
    for name in attributes:
        if (other := by_lower_case.setdefault(name.lower(), name)) != name:
            message = f"differs from {other} in upper and lower case only, which is one column in SQLite"
            faults.append(Fault(f"/{name}", message, "another name", name))


MAX_NAME = 63
"""Characters of a name that PostgreSQL keeps: it cuts off the rest."""
TOO_LONG = "has a name that PostgreSQL would cut off"
OF_SQLITE = "sqlite_"
"""Beginning of the names of SQLite's own tables."""
RESERVED = frozenset({"and", "or", "not", "query", "limit", "cursor", "order", "include", "fields"})
"""Names of attributes and links that are members of queries."""
WRONG_NAMES: tuple[tuple[Callable[[str], bool], str, str | None], ...] = (
    (lambda name: not name.isidentifier(), "is not a Python identifier", None),
    (lambda name: "__" in name, "has a double underscore, which separates operators in queries", None),
    (
        lambda name: name.startswith("_"),
        "starts with an underscore: annotate it as a ClassVar if it is not stored",
        None,
    ),
    (
        lambda name: not name.isascii(),
        "has letters beyond ASCII, which GraphQL and DynamoDB's indexes do not accept",
        None,
    ),
    (lambda name: len(name) > MAX_NAME, TOO_LONG, f"at most {MAX_NAME} characters"),
    (
        RESERVED.__contains__,
        "has a name that queries reserve",
        "a name other than " + ", ".join(sorted(RESERVED)),
    ),
)
"""(test for an invalid name of an attribute, reason, what is expected)."""


def check_key(key: KeyConfig, drafts: Mapping[str, Attribute], faults: list[Fault]) -> None:
    if not key.attributes or len(set(key.attributes)) < len(key.attributes):
        faults.append(Fault("", "has a key that names no attribute, or one twice"))
    for part in key.attributes:
        attribute = drafts.get(part)
        if attribute is None:
            advice = "declare it, or name the key's attributes: @stored(key=…)"
            faults.append(Fault(f"/{part}", f"is in the key but is not an attribute: {advice}"))
        elif attribute.kind not in KEYABLE:
            faults.append(
                Fault(
                    f"/{part}",
                    f"is in the key but is a {attribute.kind}",
                    expected=_kinds(KEYABLE),
                )
            )
        elif attribute.optional:
            faults.append(Fault(f"/{part}", "is in the key but may be None"))
        elif attribute.readable is not True:
            faults.append(
                Fault(f"/{part}", "is in the key, which every reader of the item sees, but is not readable by all")
            )
        elif "" in _choices(attribute):
            faults.append(Fault(f"/{part}", "is in the key but may be empty"))
        elif attribute.generator and attribute.generator.update:
            faults.append(Fault(f"/{part}", "is in the key but changes on update"))


def _choices(attribute: Attribute) -> list[Any]:
    """Return the values of an enum or a `Literal`, none for any other type."""
    if attribute.kind is Kind.ENUM:
        return [member.value for member in bare(attribute.type)]
    return list(get_args(bare(attribute.type))) if is_literal(attribute.type) else []


def check_indexes(indexes: tuple[Index, ...], drafts: Mapping[str, Attribute], faults: list[Fault]) -> None:
    if len(set(indexes)) < len(indexes):
        faults.append(Fault("", "has the same index twice"))
    for index in indexes:
        where = f"index {index.name}"
        if not 1 <= len(index.attributes) <= 5 or len(set(index.attributes)) < len(index.attributes):
            faults.append(Fault("", f"{where} must name 1 to 5 different attributes"))  # a GSI: 1 partition + 4 sort
        for part in index.attributes:
            if part not in drafts:
                faults.append(Fault(f"/{part}", f"is in {where} but is not an attribute"))
            elif not drafts[part].sortable:
                faults.append(
                    Fault(
                        f"/{part}",
                        f"is in {where} but is {STORED_AS.get(drafts[part].kind, drafts[part].kind)}, which has no order",
                    )
                )


def check_rule_types(path: str, access: Any) -> list[Fault]:
    """Return the faults of an `access` argument that is not a rule, or contains a value that is not a rule."""
    if access is None or isinstance(access, Rule):
        return []
    if not isinstance(access, Access):
        return [Fault(path, "Not an access rule", "Access, or a rule", _shown(access))]
    return [
        Fault(f"{path}/{verb}", "Not an access rule", "a rule", _shown(rule))
        for verb, rule in access.declared
        if not isinstance(rule, Rule)
    ]


FLAGS = ("readable", "creatable", "updatable")
"""The members of an attribute that may be rules."""


def check_flags(store: str, one: AttributeSchema, faults: list[Fault]) -> tuple[Rule | bool | None, ...]:
    """Return `readable`, `creatable` and `updatable` of an attribute. A value that is not a rule becomes False."""
    found: list[Rule | bool | None] = []
    for flag in FLAGS:
        given = getattr(one, flag)
        valid = isinstance(given, Rule | bool) or (given is None and flag != "readable")
        if not valid:
            faults.append(
                Fault(f"/{store}/{one.name}/{flag}", "Not an access rule", "True, False, or a rule", _shown(given))
            )
        found.append(given if valid else False)
    return tuple(found)


def check_rules(
    store: str,
    access: Access | Rule | None,
    attributes: Mapping[str, Attribute],
    links: Collection[str],
    faults: list[Fault],
) -> None:
    """Add a fault for each attribute or link in a rule that the item does not have."""
    for path, rule in rules_of(access, attributes.values()):
        for at, leaf in leaves(rule, f"/{store}{path}"):
            faults += name_faults(leaf, at, attributes, links)


def rules_of(access: Access | Rule | None, attributes: Iterable[Attribute]) -> Iterator[tuple[str, Rule]]:
    """Yield every rule of an item with its path below the item: `/access/read`, `/secret/readable`."""
    if isinstance(access, Rule):
        yield "/access", access
    elif access is not None:
        yield from ((f"/access/{verb}", rule) for verb, rule in access.declared)
    for one in attributes:
        for flag in FLAGS:
            if isinstance(rule := getattr(one, flag), Rule):
                yield f"/{one.name}/{flag}", rule


def name_faults(rule: Rule, path: str, attributes: Mapping[str, Attribute], links: Collection[str]) -> list[Fault]:
    """Return the fault of a rule that names an unknown attribute or link, or an attribute that cannot own the item."""
    match rule:
        case Owned(name) | Member(name):
            found = attributes.get(name)
            at = f"{path}/{name}"
            if found is None:
                return [Fault(at, "Unknown attribute", "one of " + ", ".join(attributes), name)]
            if isinstance(rule, Owned) and found.kind not in OWNING:
                return [Fault(at, f"owns the item but is a {found.kind}", _kinds(OWNING), str(found.kind))]
        case Through(name) if name not in links:
            expected = "one of " + ", ".join(links) if links else "a link of the item, which has none"
            return [Fault(f"{path}/{name}", "Unknown link", expected, name)]
    return []


OWNING = frozenset({Kind.UUID, Kind.STRING})
"""Kinds that can equal a caller's subject."""


_OTHER_ACTIONS = " or ".join(f'"{one}"' for one in ACTIONS if one != "nullify")


def check_links(links: Iterable[LinkSchema], drafts: Mapping[str, Attribute], faults: list[Fault]) -> None:
    for one in links:
        path = f"/{one.name}"
        if one.on_delete not in ACTIONS:
            faults.append(Fault(path, "has no such on_delete", "one of " + ", ".join(ACTIONS), repr(one.on_delete)))
        elif one.type != "belongs_to":
            if one.on_delete != "ignore":
                faults.append(Fault(path, "has on_delete, which only the BelongsTo at the other end may declare"))
        elif one.key_attribute not in drafts:
            faults.append(Fault(path, f"uses the key in {one.key_attribute}, which is not an attribute"))
        elif one.on_delete == "nullify" and not drafts[one.key_attribute].optional:
            faults.append(
                Fault(
                    path,
                    f'has on_delete="nullify", but {one.key_attribute} may not be None',
                    f"{one.key_attribute} with | None, or on_delete={_OTHER_ACTIONS}",
                )
            )
        if one.through is not None and one.type == "belongs_to":
            faults.append(Fault(path, "has through, which is not for a BelongsTo"))


def check_expires(expires: str | None, drafts: Mapping[str, Attribute], faults: list[Fault]) -> None:
    if expires is not None and (expires not in drafts or drafts[expires].kind is not Kind.INTEGER):
        found = str(drafts[expires].kind) if expires in drafts else "no such attribute"
        faults.append(Fault("", "expires by an attribute that is not a whole number of seconds", "an int", found))


def check_cache(given: Any, attributes: Callable[[str], Attribute | None], faults: list[Fault]) -> Cache | None:
    """Return the declaration's cache, and add its faults."""
    cache = None if given is None else cache_of(given)
    if cache is None:
        if given is not None:
            faults.append(Fault("", "has a cache of the wrong type", "Cache", repr(given)[:80]))
        return None
    faults += [Fault("", what, expected, found) for wrong, what, expected, found in _limits(cache) if wrong]
    if cache.modified is not None:
        attribute = attributes(cache.modified)
        if attribute is None or attribute.kind is not Kind.DATETIME:
            faults.append(
                Fault(
                    "",
                    f"has a cache whose `modified` is {cache.modified}, which is not a datetime attribute",
                    "a datetime attribute",
                )
            )
    return cache


def _limits(cache: Cache) -> tuple[tuple[bool, str, str, str], ...]:
    return (
        (
            not _whole(cache.seconds) or not 0 <= cache.seconds <= MAX_SECONDS,
            "has a cache with an invalid number of seconds",
            f"0 to {MAX_SECONDS}",
            repr(cache.seconds),
        ),
        (
            not _whole(cache.items) or cache.items < 1,
            "has a cache with an invalid number of items",
            "1 or more",
            repr(cache.items),
        ),
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(given: Any) -> str:
    return repr(given)[:80]


def _kinds(kinds: Iterable[Kind]) -> str:
    return ", ".join(sorted(kinds))
