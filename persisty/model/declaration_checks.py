"""What a declaration must not say: names, keys, indexes and owners that contradict the attributes, each told as a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from ..errors import Fault
from ..naming import snake
from .indexes import Index
from .keys import KeyConfig
from .meta import Attribute
from .types import KEYABLE, Kind, bare, is_literal


def check_names(name: str, members: Iterable[str], faults: list[Fault]) -> None:
    if not name.isidentifier() or name != snake(name):
        faults.append(Fault("", "has a store name that is not in snake case", found=name))
    if not members and not faults:
        faults.append(Fault("", "has no annotated attributes"))
    for attribute in members:
        faults.extend(Fault(f"/{attribute}", what) for wrong, what in WRONG_NAMES if wrong(attribute))


RESERVED = frozenset({"and", "or", "not", "query", "limit", "cursor", "order", "include", "fields"})
WRONG_NAMES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: "__" in name, "has a double underscore, which separates operators in queries"),
    (lambda name: name.startswith("_"), "starts with an underscore: annotate it as a ClassVar if it is not stored"),
    (lambda name: not name.isascii(), "has letters beyond ASCII, which GraphQL and DynamoDB's indexes do not take"),
    (RESERVED.__contains__, "has a name that queries use for themselves"),
)
"""What an attribute must not be called, and why."""


def check_key(key: KeyConfig, drafts: Mapping[str, Attribute], faults: list[Fault]) -> None:
    if not key.attributes or len(set(key.attributes)) < len(key.attributes):
        faults.append(Fault("", "has a key that names no attribute, or one twice"))
    for part in key.attributes:
        attribute = drafts.get(part)
        if attribute is None:
            faults.append(Fault(f"/{part}", "is in the key but is not an attribute"))
        elif attribute.kind not in KEYABLE:
            faults.append(Fault(f"/{part}", f"is in the key but is a {attribute.kind}", expected=_kinds(KEYABLE)))
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
    """The values of an enum or of literals."""
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
                faults.append(Fault(f"/{part}", f"is in {where} but is {drafts[part].kind}, which has no order"))


def check_owners(owners: tuple[str, ...], drafts: Mapping[str, Attribute], faults: list[Fault]) -> None:
    for name in owners:
        attribute = drafts.get(name)
        if attribute is None:
            faults.append(Fault(f"/{name}", "owns the item by its access rule but is not an attribute"))
        elif attribute.kind not in (Kind.UUID, Kind.STRING):
            faults.append(Fault(f"/{name}", f"owns the item but is a {attribute.kind}", "uuid, string"))


def _kinds(kinds: Iterable[Kind]) -> str:
    return ", ".join(sorted(kinds))
