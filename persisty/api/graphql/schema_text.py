"""The definitions of a GraphQL schema as text: their lines, comments and directives, and the faults of their names.

The types are the same for AppSync, but its parser accepts less. Descriptions are `#` comments, because it did not always support quoted ones.
Arguments and enum values have no descriptions, because a comment with the word null failed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from ...errors import Fault
from ...model.value_types import is_name
from .types import Leaf

BUILT_IN = frozenset({"String", "Int", "Float", "Boolean", "ID", "Query", "Mutation", "Subscription"})
NAMES = "other names of the classes, or @stored(name=…)"


class Line(Struct, frozen=True):
    """A field, an argument or an input field: `name(arguments): type @directives`."""

    name: str
    type: str
    description: str | None = None
    arguments: tuple[Line, ...] = ()
    directives: tuple[str, ...] = ()


class Definitions:
    """The types defined so far, by name, and their faults. `directives`: object type → its directives."""

    def __init__(self, appsync: bool, directives: Mapping[str, tuple[str, ...]]) -> None:
        self.faults: list[Fault] = []
        self._appsync, self._directives = appsync, directives
        self._types: dict[str, str] = {}

    def texts(self) -> list[str]:
        """Return the definitions, by the order of their names."""
        return [self._types[name] for name in sorted(self._types)]

    def define(self, keyword: str, name: str, lines: Iterable[Line], description: str | None = None) -> str:
        """Define a type or an input. Return its name."""
        return self._enter(name, self.body(keyword, name, lines), description)

    def leaf(self, leaf: Leaf) -> str:
        """Return the name of a scalar or an enum. An enum is defined if it is not yet."""
        return self.enum(leaf.name, leaf.values, leaf.description) if leaf.values else leaf.name

    def enum(self, name: str, values: Sequence[str], description: str | None) -> str:
        """Define an enum. Return its name."""
        return self._enter(name, "\n".join([f"enum {name} {{", *(f"  {value}" for value in values), "}"]), description)

    def _enter(self, name: str, body: str, description: str | None) -> str:
        """Add a definition. A second one with the same name is a fault unless both are equal."""
        text = self.described(body, description)
        if self._types.setdefault(name, text) != text or name in BUILT_IN:
            self.fault(f"/{name}", "Two different types have this name in GraphQL", expected=NAMES)
        elif name.startswith("AWS"):
            self.fault(f"/{name}", "Names that begin with AWS are reserved for AppSync")
        self.check_name(name, f"/{name}")
        return name

    def body(self, keyword: str, name: str, lines: Iterable[Line]) -> str:
        """Return the text of a type with these lines."""
        rows = list(lines)
        for line in rows:
            self.check_name(line.name, f"/{name}/{line.name}")
        head = " ".join([keyword, name, *(self._directives.get(name, ()) if keyword == "type" else ())])
        return "\n".join([f"{head} {{", *(row for line in rows for row in self._rows(line)), "}"])

    def _rows(self, line: Line) -> Iterator[str]:
        yield from self._comment(line.description, "  ")
        type_ = " ".join([line.type, *line.directives])
        if not line.arguments:
            yield f"  {line.name}: {type_}"
        elif self._appsync or not any(argument.description for argument in line.arguments):
            arguments = ", ".join(f"{argument.name}: {argument.type}" for argument in line.arguments)
            yield f"  {line.name}({arguments}): {type_}"
        else:
            yield f"  {line.name}("
            for argument in line.arguments:
                yield from self._comment(argument.description, "    ")
                yield f"    {argument.name}: {argument.type}"
            yield f"  ): {type_}"

    def described(self, body: str, description: str | None) -> str:
        """Return the definition below its description."""
        return "\n".join([*self._comment(description, ""), body])

    def _comment(self, description: str | None, indent: str) -> Iterator[str]:
        text = "".join(one for one in description or "" if one.isprintable() or one == "\n").strip()
        if text:
            rows = [f"# {row}".rstrip() for row in text.split("\n")]
            if not self._appsync:
                rows = _quoted(text)
            yield from (indent + row if row else "" for row in rows)

    # faults

    def check_name(self, name: str, path: str) -> None:
        if not is_name(name):
            self.fault(path, "Not a valid name in GraphQL", name)

    def check_unique(self, fields: Sequence[tuple[str, str]]) -> None:
        """Check the names of the fields of all root types together, because AppSync's function receives only a field's name."""
        count = Counter(name for name, _ in fields)
        for name, operation in fields:
            if count[name] > 1:
                self.fault(f"/{operation}", "Another operation has the same name in GraphQL", name)

    def fault(self, path: str, message: str, found: str | None = None, expected: str | None = None) -> None:
        fault = Fault(path, message, expected, found)
        if fault not in self.faults:
            self.faults.append(fault)


def _quoted(text: str) -> list[str]:
    """Return a description as a block string, on one line if possible."""
    safe = text.replace('"""', '\\"""')
    if "\n" in safe or safe[-1] in '"\\':
        return ['"""', *safe.split("\n"), '"""']
    return [f'"""{safe}"""']
