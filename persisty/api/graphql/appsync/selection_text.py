"""Parse the text of a selection set, as AppSync passes it to a resolver, without a GraphQL library.

The grammar is the specification's (October 2021, section 2) from SelectionSet down: fields with aliases, arguments, directives and selections;
inline and named fragments; values of every kind. AppSync has already parsed and validated the text, so a text that does not fit is `InvalidInput`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct, structs

from ....errors import Fault, InvalidInput, MalformedGraphql
from ..limits import Cost, Limits

REMEMBERED = 200
"""The most parsed texts in the cache."""
LIMITS = Limits()
MAX_NESTING = 100
"""The most levels of selections and values."""


class Variable(Struct, frozen=True):
    """A variable in the place of a value: `$name`."""

    name: str


class Part(Struct, frozen=True):
    """A field of the text. `arguments` may contain variables. `conditions`: (directive, its `if`)."""

    key: str
    name: str
    arguments: Mapping[str, Any]
    conditions: tuple[tuple[str, Any], ...]
    below: Parts | None


class Parts(Struct, frozen=True):
    """A selection. `inline`: (conditions, selection) of its inline fragments; `spread`: whether it spreads named fragments."""

    fields: tuple[Part, ...]
    inline: tuple[tuple[tuple[tuple[str, Any], ...], Parts], ...] = ()
    spread: bool = False


@lru_cache(REMEMBERED)
def parse_selection(text: str) -> Parts:
    """Parse the selection set of one field. Raises `InvalidInput` if the text is not one, and `MalformedGraphql` beyond the limits of a document. Named
    fragments do not count, because AppSync passes only that they are spread."""
    reader = _Reader(text)
    found = reader.selection(0)
    reader.end()
    cost = _cost(found)
    if messages := structs.replace(cost, depth=cost.depth + 1).excesses(LIMITS, "The selection of a root field"):
        raise MalformedGraphql("; ".join(messages))
    return found


def _cost(parts: Parts) -> Cost:
    inside = [_cost(below) for _, below in parts.inline]
    depth = max((one.depth for one in inside), default=0)
    fields, aliases = sum(one.fields for one in inside), sum(one.aliases for one in inside)
    for part in parts.fields:
        below = Cost() if part.below is None else _cost(part.below)
        depth = max(depth, 0 if part.name.startswith("__") else below.depth + 1)
        fields, aliases = fields + below.fields + 1, aliases + below.aliases + (part.key != part.name)
    return Cost(depth, fields, aliases)


def value_of(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return a value with its variables replaced. A variable that was not given is null."""
    if isinstance(value, Variable):
        return variables.get(value.name)
    if isinstance(value, list):
        return [value_of(one, variables) for one in value]
    return {name: value_of(one, variables) for name, one in value.items()} if isinstance(value, dict) else value


def variables_in(value: Any) -> Iterator[str]:
    """Yield the names of the variables in a value."""
    if isinstance(value, Variable):
        yield value.name
    inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for one in inside:
        yield from variables_in(one)


_TOKEN = re.compile(
    r"""(?:[\s,\ufeff]+|\#[^\r\n]*)*
    (?:(?P<name>[A-Za-z_][A-Za-z_0-9]*)
      |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![A-Za-z_0-9.])
      |(?P<block>\"{3}(?:\\\"{3}|[^"]|\"(?!\"\"))*\"{3})
      |(?P<text>"(?:[^"\\\r\n]|\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]+\}|["\\/bfnrt]))*")
      |(?P<mark>\.\.\.|[{}()\[\]:$@])
      |(?P<end>\Z))""",
    re.VERBOSE,
)
_CODE_POINT = re.compile(r"\\u\{([0-9A-Fa-f]+)\}")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}

_Token = tuple[str, str]


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while True:
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise _malformed(f"Unexpected text at {position}")
        yield found.lastgroup, found[found.lastgroup]
        if found.lastgroup == "end":
            return
        position = found.end()


class _Reader:
    """A recursive descent parser with one token of lookahead."""

    def __init__(self, text: str) -> None:
        self._left = _tokens(text)
        self._next: _Token = next(self._left)

    def end(self) -> None:
        if self._next[0] != "end":
            raise _malformed("Text after the selection")

    def selection(self, depth: int) -> Parts:
        if depth > MAX_NESTING:
            raise _malformed("Nested too deeply")
        self._expect("{")
        fields: list[Part] = []
        inline: list[tuple[tuple[tuple[str, Any], ...], Parts]] = []
        spread = False
        while not self._take("}"):
            if not self._take("..."):
                fields.append(self._field(depth))
            elif self._next[0] == "name" and self._next[1] != "on":
                self._name()
                spread = True
                self._conditions(depth)
            else:
                if self._next == ("name", "on"):
                    self._name()
                    self._name()
                inline.append((self._conditions(depth), self.selection(depth + 1)))
        return Parts(tuple(fields), tuple(inline), spread)

    def _field(self, depth: int) -> Part:
        key = name = self._name()
        if self._take(":"):
            name = self._name()
        arguments = self._arguments(depth)
        conditions = self._conditions(depth)
        below = self.selection(depth + 1) if self._next == ("mark", "{") else None
        return Part(key, name, arguments, conditions, below)

    def _arguments(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._take("("):
            while not self._take(")"):
                self._member(found, depth)
        return found

    def _conditions(self, depth: int) -> tuple[tuple[str, Any], ...]:
        found: list[tuple[str, Any]] = []
        while self._take("@"):
            name = self._name()
            found.append((name, self._arguments(depth).get("if")))
        return tuple(found)

    def _member(self, into: dict[str, Any], depth: int) -> None:
        name = self._name()
        self._expect(":")
        into[name] = self._value(depth + 1)

    def _value(self, depth: int) -> Any:
        if depth > MAX_NESTING:
            raise _malformed("Nested too deeply")
        kind, text = self._next
        if kind == "mark":
            return self._composed(depth)
        self._next = next(self._left)
        if kind not in VALUES:
            raise _malformed("Expected a value")
        return VALUES[kind](text)

    def _composed(self, depth: int) -> Any:
        if self._take("$"):
            return Variable(self._name())
        if self._take("["):
            members: list[Any] = []
            while not self._take("]"):
                members.append(self._value(depth + 1))
            return members
        self._expect("{")
        found: dict[str, Any] = {}
        while not self._take("}"):
            self._member(found, depth)
        return found

    def _name(self) -> str:
        kind, text = self._next
        if kind != "name":
            raise _malformed(f"Expected a name, not {text or 'the end'}")
        self._next = next(self._left)
        return text

    def _take(self, mark: str) -> bool:
        if self._next != ("mark", mark):
            return False
        self._next = next(self._left)
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise _malformed(f"Expected {mark}, not {self._next[1] or 'the end'}")


def _word(text: str) -> Any:
    """Return true, false, null, or the name of a member of an enum."""
    return _WORDS.get(text, text)


def _number(text: str) -> Any:
    return float(text) if set(text) & set(".eE") else int(text)


def _text(text: str) -> str:
    """Return a quoted string. It has the escapes of JSON, and code points in braces."""
    plain = _CODE_POINT.sub(lambda found: msgspec.json.encode(_character(found[1])).decode()[1:-1], text)
    try:
        found: str = msgspec.json.decode(plain, strict=False)
    except msgspec.DecodeError as error:
        raise _malformed(f"Not a string: {error}") from error
    return found


def _character(digits: str) -> str:
    code = int(digits, 16)
    if code > sys.maxunicode or 0xD800 <= code <= 0xDFFF:
        raise _malformed("Not a character")
    return chr(code)


def _block(text: str) -> str:
    """Return a block string without its common indentation and without blank lines at its ends. The first line has no indentation."""
    lines = re.split(r"\r\n|\n|\r", text[3:-3].replace('\\"""', '"""'))
    indents = [len(line) - len(line.lstrip(" \t")) for line in lines[1:] if line.strip(" \t")]
    common = min(indents, default=0)
    lines = [lines[0], *(line[common:] for line in lines[1:])]
    while lines and not lines[0].strip(" \t"):
        del lines[0]
    while lines and not lines[-1].strip(" \t"):
        del lines[-1]
    return "\n".join(lines)


VALUES = {"name": _word, "number": _number, "text": _text, "block": _block}
"""Kind of token → function that returns its value."""


def _malformed(message: str) -> InvalidInput:
    return InvalidInput("Not a selection set", faults=[Fault("/selectionSetGraphQL", message)])
