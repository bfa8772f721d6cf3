"""Access rules as data: which callers may perform a verb on which items. Rules are combined with `&`, `|` and `~`.

`owned("author_id") | scope("admin")` is a record. `persisty.security.row_filters` evaluates it for one caller: the result is a
filter that is sent with the query or the write, so that the engine decides it in the same call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration
from .expressions import And, AttributeExpression, Compare, Filter, name_of
from .links import link_name


class Rule(Struct, frozen=True, tag_field="kind"):
    """An access rule. Combine rules with `&`, `|`, `~`; a rule has no truth value."""

    @property
    def constant(self) -> bool | None:
        """True or False for a rule that is the same for every caller and every item, None for any other rule."""
        return None

    @property
    def owners(self) -> tuple[str, ...]:
        """The attributes that name the owner of an item."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.owners))

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The rules that this rule combines, all for the same item."""
        return ()

    @property
    def cacheable(self) -> bool:
        """Return whether the filter for a caller stays the same, so that it can be cached."""
        return all(part.cacheable for part in self.parts)

    def of(self, verb: str) -> Rule:
        """Return the rule of a verb: as an item's `access`, one rule applies to every verb."""
        return self

    def allows(self, verb: str) -> bool:
        """Return whether the rule may allow some caller to do this."""
        return self.constant is not False

    def __and__(self, other: Rule) -> Rule:
        return joined(AllOf, (self, other)) if isinstance(other, Rule) else NotImplemented

    def __or__(self, other: Rule) -> Rule:
        return joined(AnyOf, (self, other)) if isinstance(other, Rule) else NotImplemented

    def __invert__(self) -> Rule:
        constant = self.constant
        return NotOf(self) if constant is None else Constant(not constant)

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule has no truth value: combine rules with & | ~")


class Constant(Rule, frozen=True, tag="constant"):
    """All callers and items, or none of them."""

    allowed: bool

    @property
    def constant(self) -> bool | None:
        return self.allowed

    def __str__(self) -> str:
        return "everyone" if self.allowed else "nobody"


class Authenticated(Rule, frozen=True, tag="authenticated"):
    """Callers whose identity is verified."""

    def __str__(self) -> str:
        return "authenticated"


class Scope(Rule, frozen=True, tag="scope"):
    """Callers that were granted the scope."""

    name: str

    def __str__(self) -> str:
        return f"scope {self.name}"


class Claim(Rule, frozen=True, tag="claim"):
    """Callers whose token claims the value, or a list that contains it."""

    name: str
    value: Any

    def __str__(self) -> str:
        return f"claim {self.name} is {self.value!r}"


class Owned(Rule, frozen=True, tag="owned"):
    """Items whose attribute is the caller's subject."""

    attribute: str

    @property
    def owners(self) -> tuple[str, ...]:
        return (self.attribute,)

    def __str__(self) -> str:
        return f"{self.attribute} == subject"


class Member(Rule, frozen=True, tag="member"):
    """Items whose attribute is a value that the caller's token claims."""

    attribute: str
    claim: str

    def __str__(self) -> str:
        return f"{self.attribute} in claim {self.claim}"


class Where(Rule, frozen=True, eq=False, tag="where"):
    """Items that match a filter."""

    filter: Filter

    def __str__(self) -> str:
        return str(self.filter) if isinstance(self.filter, Compare) else f"({self.filter})"


class Through(Rule, frozen=True, tag="linked"):
    """Items with an item at the other end of the link that `rule` allows."""

    link: str
    rule: Rule

    @property
    def cacheable(self) -> bool:
        return self.rule.cacheable

    def __str__(self) -> str:
        return f"{self.link}: {self.rule}"


class Custom(Rule, frozen=True, tag="custom"):
    """A function, by its name `module.function`: the form of a `CustomFunction` in a schema."""

    function: str

    @property
    def cacheable(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.function.rpartition('.')[2]}(caller)"


class CustomFunction(Rule, frozen=True, eq=False, tag="function"):
    """A function that decides for a caller: True, False, or a filter of the items."""

    function: Callable[[Any], Filter | bool]

    @property
    def cacheable(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{getattr(self.function, '__name__', type(self.function).__name__)}(caller)"


class AllOf(Rule, frozen=True, tag="all"):
    """Items that every one of the rules allows."""

    rules: tuple[Rule, ...]

    @property
    def parts(self) -> tuple[Rule, ...]:
        return self.rules

    def __str__(self) -> str:
        return " and ".join(f"({one})" if isinstance(one, AnyOf) else str(one) for one in self.rules)


class AnyOf(Rule, frozen=True, tag="any"):
    """Items that at least one of the rules allows."""

    rules: tuple[Rule, ...]

    @property
    def parts(self) -> tuple[Rule, ...]:
        return self.rules

    def __str__(self) -> str:
        return " or ".join(f"({one})" if isinstance(one, AllOf) else str(one) for one in self.rules)


class NotOf(Rule, frozen=True, tag="not"):
    """Items that the rule does not allow."""

    rule: Rule

    @property
    def parts(self) -> tuple[Rule, ...]:
        return (self.rule,)

    def __str__(self) -> str:
        return f"not ({self.rule})"


RULES: tuple[type[Rule], ...] = (
    Constant,
    Authenticated,
    Scope,
    Claim,
    Owned,
    Member,
    Where,
    Through,
    Custom,
    AllOf,
    AnyOf,
    NotOf,
)
"""The rules that a schema may contain."""


everyone = Constant(True)
"""Every caller, authenticated or not."""
nobody = Constant(False)
"""No caller from outside."""
authenticated = Authenticated()
"""Every caller whose identity is verified."""


def scope(name: str) -> Rule:
    """Allow callers that were granted the scope."""
    return Scope(name)


def claim(name: str, value: Any) -> Rule:
    """Allow callers whose token claims this value, or a list that contains it."""
    return Claim(name, value)


def owned(attribute: AttributeExpression[Any] | str) -> Rule:
    """Allow the items whose attribute is the caller's subject. The server sets the attribute on create, and it never changes."""
    return Owned(_name("owned", attribute))


def member(attribute: AttributeExpression[Any] | str, claim: str) -> Rule:
    """Allow the items whose attribute is the value that the caller's token claims, or one of the values in a claimed list: a tenant, a group."""
    return Member(_name("member", attribute), claim)


def where(filter: Filter | None = None, **comparisons: Any) -> Rule:  # noqa: A002 - the field's word
    """Allow the items that match, for every caller: `where(published=True, rank__ge=3)`, or a filter of an item that is declared already."""
    compared: list[Filter] = []
    for name, value in comparisons.items():
        attribute, _, operator = name.partition("__")
        compared.append(Compare(attribute, operator or "eq", value))
    if filter is not None and not isinstance(filter, Filter):
        raise _wrong("where", "Not a filter", "a filter", filter)
    filters = [*(() if filter is None else (filter,)), *compared]
    return Where(filters[0] if len(filters) == 1 else And(tuple(filters)))


def linked(link: Any, rule: Rule) -> Rule:
    """Allow the items with an item at the other end of the link that `rule` allows."""
    name = link_name(link)
    if name is None:
        raise _wrong("linked", "Not a link", "a link or its name", link)
    if not isinstance(rule, Rule):
        raise _wrong("linked", "Not a rule", "a rule of the item at the other end", rule)
    return Through(name, rule)


def custom(function: Callable[[Any], Filter | bool]) -> Rule:
    """Let a function decide. It takes the `Caller` and returns True, False, or a filter of the items. It is called once for each request."""
    return CustomFunction(function)


def joined(kind: type[AllOf | AnyOf], rules: tuple[Rule, ...]) -> Rule:
    """Return the rules combined, flat, without constants and repetitions."""
    neutral = kind is AllOf
    parts: list[Rule] = []
    for rule in rules:
        if rule.constant is not None:
            if rule.constant is not neutral:
                return rule
        else:
            parts += [one for one in (rule.rules if isinstance(rule, kind) else (rule,)) if one not in parts]
    return parts[0] if len(parts) == 1 else kind(tuple(parts)) if parts else Constant(neutral)


def replaced(rule: Rule, leaf: Callable[[Rule], Rule]) -> Rule:
    """Return the rule with `leaf` applied to each rule in it that contains no other."""
    match rule:
        case AllOf(rules) | AnyOf(rules):
            return type(rule)(tuple(replaced(one, leaf) for one in rules))
        case NotOf(inner):
            return NotOf(replaced(inner, leaf))
        case Through(link, inner):
            return Through(link, replaced(inner, leaf))
    return leaf(rule)


def leaves(rule: Rule, path: str) -> Iterator[tuple[str, Rule]]:
    """Yield each rule in this one that combines no others, with its path: `/any/0/owned`. A `linked` rule is one of them."""
    at = f"{path}/{rule.__struct_config__.tag}"
    match rule:
        case AllOf(rules) | AnyOf(rules):
            for number, one in enumerate(rules):
                yield from leaves(one, f"{at}/{number}")
        case NotOf(inner):
            yield from leaves(inner, at)
        case _:
            yield at, rule


def rules_within(rule: Rule, path: str) -> Iterator[tuple[str, Rule]]:
    """Yield the same as `leaves`, and the leaves of rules for items behind links."""
    for at, leaf in leaves(rule, path):
        yield at, leaf
        if isinstance(leaf, Through):
            yield from rules_within(leaf.rule, f"{at}/{leaf.link}")


def _name(rule: str, attribute: Any) -> str:
    if isinstance(attribute, AttributeExpression):
        return name_of(attribute)
    if not isinstance(attribute, str):
        raise _wrong(rule, "Not an attribute", "an attribute or its name", attribute)
    return attribute


def _wrong(rule: str, message: str, expected: str, found: Any) -> InvalidDeclaration:
    fault = Fault(f"/{rule}", message, expected, type(found).__name__)
    return InvalidDeclaration("An access rule is not valid", faults=[fault])
