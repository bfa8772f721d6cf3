"""Access rules: who may do something with which items, as frozen data that combines with `&`, `|` and `~`.

`owned("author_id") | scope("admin")` says it once; for one caller a rule becomes a filter (`Rule.rows`), which travels with the
query or the write, so that an engine decides it together with everything else. What a rule says of the caller alone is folded
away: for an administrator the rule above is every item, for anybody else a comparison of one attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from ..errors import Fault, InvalidDeclaration
from ..model.expressions import ALL, NOTHING, And, AttributeExpression, Compare, Filter, Or, name_of
from ..model.links import link_name
from ..model.meta import Attribute, StoreMeta
from ..model.validation import operand
from ..query.filter_algebra import combine, exists, opposite
from ..query.resolution import resolve_filter
from .caller import Caller


class Rule(Struct, frozen=True):
    """Who may do something with which items. Combine with `&`, `|`, `~`; never use it as a truth value."""

    @property
    def constant(self) -> bool | None:
        """True or False for a rule that is the same for everybody and every item."""
        return None

    @property
    def owners(self) -> tuple[str, ...]:
        """The attributes that say whose an item is."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.owners))

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The rules that it is made of."""
        return ()

    @property
    def steady(self) -> bool:
        """Whether it says the same of a caller at all times."""
        return all(part.steady for part in self.parts)

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        """The items that it lets this caller have, as a resolved filter: `ALL`, `NOTHING`, or what they must be like."""
        raise NotImplementedError

    def of(self, verb: str) -> Rule:
        """The rule of a verb: as an item's `access`, one rule is that of every verb."""
        return self

    def allows(self, verb: str) -> bool:
        """Whether there may be anybody whom it lets do this."""
        return self.constant is not False

    def __and__(self, other: Rule) -> Rule:
        return joined(AllOf, (self, other))

    def __or__(self, other: Rule) -> Rule:
        return joined(AnyOf, (self, other))

    def __invert__(self) -> Rule:
        constant = self.constant
        return NotOf(self) if constant is None else Constant(not constant)

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule has no truth value: combine rules with & | ~")


class Constant(Rule, frozen=True):
    allowed: bool

    @property
    def constant(self) -> bool | None:
        return self.allowed

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return ALL if self.allowed else NOTHING

    def __str__(self) -> str:
        return "everyone" if self.allowed else "nobody"


class Authenticated(Rule, frozen=True):
    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return ALL if caller.authenticated else NOTHING

    def __str__(self) -> str:
        return "authenticated"


class Scope(Rule, frozen=True):
    name: str

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return ALL if self.name in caller.scopes else NOTHING

    def __str__(self) -> str:
        return f"scope {self.name}"


class Claim(Rule, frozen=True):
    name: str
    value: Any

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return ALL if any(_same(one, self.value) for one in claimed(caller, self.name)) else NOTHING

    def __str__(self) -> str:
        return f"claim {self.name} is {self.value!r}"


class Owned(Rule, frozen=True):
    attribute: str

    @property
    def owners(self) -> tuple[str, ...]:
        return (self.attribute,)

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return equal_to(meta, self.attribute, () if caller.subject is None else (caller.subject,))

    def __str__(self) -> str:
        return f"{self.attribute} == subject"


class Member(Rule, frozen=True):
    attribute: str
    claim: str

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return equal_to(meta, self.attribute, claimed(caller, self.claim)) if caller.authenticated else NOTHING

    def __str__(self) -> str:
        return f"{self.attribute} in claim {self.claim}"


class Where(Rule, frozen=True, eq=False):
    filter: Filter

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return _resolved(meta, self)

    def __str__(self) -> str:
        return str(self.filter) if isinstance(self.filter, Compare) else f"({self.filter})"


class Through(Rule, frozen=True):
    link: str
    rule: Rule

    @property
    def steady(self) -> bool:
        return self.rule.steady

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        found = meta.links.get(self.link)
        if found is None:
            raise InvalidDeclaration(f"{meta.name} has no link {self.link}, which its access rule goes through")
        return exists(found.ends, self.rule.rows(found.ends.target, caller))

    def __str__(self) -> str:
        return f"{self.link}: {self.rule}"


class Custom(Rule, frozen=True, eq=False):
    function: Callable[[Caller], Filter | bool]

    @property
    def steady(self) -> bool:
        return False

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        said = self.function(caller)
        if said is True or said is False:
            return ALL if said else NOTHING
        return resolve_filter(meta, said, "/access")

    def __str__(self) -> str:
        return f"{self.function.__name__}(caller)"


class AllOf(Rule, frozen=True):
    rules: tuple[Rule, ...]

    @property
    def parts(self) -> tuple[Rule, ...]:
        return self.rules

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return combine(And, [one.rows(meta, caller) for one in self.rules])

    def __str__(self) -> str:
        return " and ".join(f"({one})" if isinstance(one, AnyOf) else str(one) for one in self.rules)


class AnyOf(Rule, frozen=True):
    rules: tuple[Rule, ...]

    @property
    def parts(self) -> tuple[Rule, ...]:
        return self.rules

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return combine(Or, [one.rows(meta, caller) for one in self.rules])

    def __str__(self) -> str:
        return " or ".join(f"({one})" if isinstance(one, AllOf) else str(one) for one in self.rules)


class NotOf(Rule, frozen=True):
    rule: Rule

    @property
    def parts(self) -> tuple[Rule, ...]:
        return (self.rule,)

    def rows(self, meta: StoreMeta[Any], caller: Caller) -> Filter:
        return opposite(meta, self.rule.rows(meta, caller))

    def __str__(self) -> str:
        return f"not ({self.rule})"


everyone = Constant(True)
"""Whoever asks, authenticated or not."""
nobody = Constant(False)
"""No caller from outside."""
authenticated = Authenticated()
"""Whoever says who it is, and proves it."""


def scope(name: str) -> Rule:
    """Callers that were granted the scope."""
    return Scope(name)


def claim(name: str, value: Any) -> Rule:
    """Callers whose token claims this value, or a list with it."""
    return Claim(name, value)


def owned(attribute: AttributeExpression | str) -> Rule:
    """The items whose attribute is the caller's subject. The server sets it on create, and it never changes."""
    return Owned(_name(attribute))


def member(attribute: AttributeExpression | str, claim: str) -> Rule:
    """The items whose attribute is what the caller's token claims, or one of the list it claims: of a tenant, of a group."""
    return Member(_name(attribute), claim)


def where(filter: Filter | bool | None = None, **comparisons: Any) -> Rule:  # noqa: A002 - what it is; bool to type checkers
    """The items that match, whoever asks: `where(published=True, rank__ge=3)`, or a filter of an item that is declared already."""
    compared: list[Filter] = []
    for name, value in comparisons.items():
        attribute, _, operator = name.partition("__")
        compared.append(Compare(attribute, operator or "eq", value))
    if filter is not None and not isinstance(filter, Filter):
        raise InvalidDeclaration(
            "where takes a filter", faults=[Fault("", "Not a filter", "Filter", type(filter).__name__)]
        )
    filters = [*(() if filter is None else (filter,)), *compared]
    return Where(filters[0] if len(filters) == 1 else And(tuple(filters)))


def linked(link: Any, rule: Rule) -> Rule:
    """The items with an item at the other end of the link that the rule lets the caller have."""
    name = link_name(link)
    if name is None or not isinstance(rule, Rule):
        raise InvalidDeclaration("linked takes a link and a rule of the item at its other end")
    return Through(name, rule)


def custom(function: Callable[[Caller], Filter | bool]) -> Rule:
    """What a function says of the caller: True, False, or a filter of the items. It is called once for each request."""
    return Custom(function)


def joined(kind: type[AllOf | AnyOf], rules: tuple[Rule, ...]) -> Rule:
    """The rules joined, flat, with constants and repetitions folded away."""
    neutral = kind is AllOf
    parts: list[Rule] = []
    for rule in rules:
        if rule.constant is not None:
            if rule.constant is not neutral:
                return rule
        else:
            parts += [one for one in (rule.rules if isinstance(rule, kind) else (rule,)) if one not in parts]
    return parts[0] if len(parts) == 1 else kind(tuple(parts)) if parts else Constant(neutral)


def claimed(caller: Caller, name: str) -> tuple[Any, ...]:
    """What the caller claims by this name, one or a list of values."""
    value = caller.claims.get(name)
    return () if value is None else tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def equal_to(meta: StoreMeta[Any], name: str, values: tuple[Any, ...]) -> Filter:
    """The attribute is one of these values from a token; one that is none of its type equals nothing."""
    attribute = meta.attributes.get(name)
    if attribute is None:
        raise InvalidDeclaration(f"{meta.name} has no attribute {name}, which its access rule is about")
    typed = dict.fromkeys(one for value in values if (one := _typed(attribute, value)) is not None)
    if len(typed) > 1:
        return Compare(name, "oneof", tuple(typed))
    return Compare(name, "eq", next(iter(typed))) if typed else NOTHING


def _typed(attribute: Attribute, value: Any) -> Any:
    try:
        return operand(attribute, value)
    except (msgspec.ValidationError, ValueError, TypeError):
        return None


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)  # True is not 1


def _name(attribute: AttributeExpression | str) -> str:
    return attribute if isinstance(attribute, str) else name_of(attribute)


@cache
def _resolved(meta: StoreMeta[Any], rule: Where) -> Filter:
    return resolve_filter(meta, rule.filter, "/access")
