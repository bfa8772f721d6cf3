"""Generated documents that fit a schema: named and inline fragments, aliases, merged fields, directives, variables with and without values, arguments
of every type."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_non_null_type,
)

SCALARS: dict[str, list[Any]] = {
    "Int": [0, 1, 2, 3, -1, 7, 2**31 - 1],
    "Float": [0, 1.5, 2**33, -2],
    "Boolean": [True, False],
}


class Generator:
    """One document and its variables. `texts` and `ids`: values that items have, so that filters match."""

    def __init__(self, schema: GraphQLSchema, random: Random, texts: list[str], ids: list[str], depth: int = 3) -> None:
        self._schema, self._random, self._depth = schema, random, depth
        self._values = {**SCALARS, "String": texts, "ID": ids, "AWSJSON": ["[]", '{"a": 1}', "null"]}
        self._declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self._fragments: list[str] = []

    def document(self, kind: str = "query", roots: int = 2) -> str:
        root = self._schema.query_type if kind == "query" else self._schema.mutation_type
        assert root is not None
        names = self._random.sample(sorted(root.fields), k=min(roots, len(root.fields)))
        body = " ".join(self._field(root, name, self._depth) for name in names)
        if self._random.random() < 0.2:
            body += " __typename" + ' __type(name: "Person") { name }' * (kind == "query")
        head = f"{kind} Q" + (f"({', '.join(self._declared)})" if self._declared else "")
        return "\n".join([f"{head} {{ {body} }}", *self._fragments])

    def _selection(self, type_: GraphQLObjectType, depth: int) -> str:
        random = self._random
        leaves = [
            name for name, one in type_.fields.items() if not isinstance(get_named_type(one.type), GraphQLObjectType)
        ]
        inner = [name for name in type_.fields if name not in leaves]
        if not leaves and depth <= 0:
            return "__typename"
        names = random.sample(leaves, k=min(len(leaves), random.randint(1, 4)))
        if depth > 0:
            names += random.sample(inner, k=min(len(inner), random.choice([0, 1, 1, 2])))
        if "items" in inner and depth > 0 and "items" not in names:
            names.append("items")
        parts = [self._field(type_, name, depth - 1) for name in names]
        parts += random.sample(parts, k=1) if random.random() < 0.15 else []  # the same again: it merges
        if random.random() < 0.15:
            parts.append(random.choice(["__typename", "kind: __typename"]))
        if random.random() < 0.2:
            parts.append(f"... on {type_.name}{self._directive()} {{ {self._leaf(type_, leaves, depth)} }}")
        if random.random() < 0.1:
            parts.append(f"...{self._directive() or ' @include(if: true)'} {{ {self._leaf(type_, leaves, depth)} }}")
        if random.random() < 0.15:
            name = f"F{len(self._fragments)}"
            self._fragments.append("")
            inside = (
                " ".join(self._field(type_, one, depth - 1) for one in random.sample(names, k=min(1, len(names))))
                or "__typename"
            )
            self._fragments[int(name[1:])] = f"fragment {name} on {type_.name} {{ {inside} }}"
            parts += [f"...{name}{self._directive()}"] * random.choice([1, 1, 2])
        random.shuffle(parts)
        return " ".join(parts)

    def _leaf(self, type_: GraphQLObjectType, leaves: list[str], depth: int) -> str:
        return self._field(type_, self._random.choice(leaves), depth) if leaves else "__typename"

    def _field(self, parent: GraphQLObjectType, name: str, depth: int) -> str:
        field = parent.fields[name]
        arguments = self._arguments(field, name)
        unnamed = not arguments and self._random.random() < 0.85
        alias = "" if unnamed else f"a{self._random.randrange(10**6)}: "
        named = get_named_type(field.type)
        inside = f" {{ {self._selection(named, depth)} }}" if isinstance(named, GraphQLObjectType) else ""
        return f"{alias}{name}{arguments}{self._directive()}{inside}"

    def _directive(self) -> str:
        if self._random.random() > 0.12:
            return ""
        value = self._random.choice(["true", "false"])
        if self._random.random() < 0.5:
            value = "$" + self._declare("Boolean!", self._random.choice([True, False]), default="true")
        return f" @{self._random.choice(['include', 'skip'])}(if: {value})"

    # arguments

    def _arguments(self, field: GraphQLField, owner: str) -> str:
        given: list[str] = []
        for name, argument in field.args.items():
            needed = is_non_null_type(argument.type)
            if name == "cursor" or (not needed and self._random.random() < 0.6):
                continue
            given.append(f"{name}: {self._spelled(argument.type, self._limited(name, argument.type))}")
        return f"({', '.join(given)})" if given else ""

    def _limited(self, name: str, type_: Any) -> Any:
        if name == "limit":
            return self._random.choice([1, 2, 3, 3, 5, 0, None])
        if name in {"depth", "seed", "times", "first"}:
            return self._random.randint(0, 3) if name != "seed" else self._random.randint(0, 12)
        return self._value(type_, 2)

    def _value(self, type_: Any, depth: int) -> Any:
        random = self._random
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, depth)
        return None if random.random() < 0.08 else self._present(type_, depth)

    def _present(self, type_: Any, depth: int) -> Any:
        random = self._random
        if isinstance(type_, GraphQLList):
            if random.random() < 0.15:
                return self._value(type_.of_type, depth)
            return [self._value(type_.of_type, depth) for _ in range(random.randint(0, 2))]
        if isinstance(type_, GraphQLEnumType):
            return random.choice(sorted(type_.values))
        if not isinstance(type_, GraphQLInputObjectType):
            return random.choice(self._values[type_.name])
        needed = [name for name, one in type_.fields.items() if is_non_null_type(one.type)]
        optional = sorted(set(type_.fields) - set(needed))
        chosen = random.sample(optional, k=min(len(optional), random.randint(0, 2))) if depth > 0 else []
        return {name: self._value(type_.fields[name].type, depth - 1) for name in [*needed, *chosen]}

    def _spelled(self, type_: Any, value: Any) -> str:
        """Return the value as a literal, in which parts or the whole may be variables."""
        random = self._random
        if random.random() < 0.3:
            absent = not is_non_null_type(type_) and random.random() < 0.15
            default = literal(type_, value) if value is not None and random.random() < 0.2 else None
            return "$" + self._declare(
                str(type_), value, default=default, absent=absent or (default is not None and random.random() < 0.5)
            )
        return literal(type_, value, self._spelled if random.random() < 0.3 else None)

    def _declare(self, type_: str, value: Any, default: str | None = None, absent: bool = False) -> str:
        name = f"v{len(self._declared)}"
        self._declared.append(f"${name}: {type_}" + (f" = {default}" if default is not None else ""))
        if not absent:
            self.variables[name] = value
        return name


def literal(type_: Any, value: Any, inner: Any = None) -> str:
    """Return a value as a GraphQL literal."""
    spell = inner or literal
    if value is None:
        return "null"
    bare = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(bare, GraphQLList):
        if isinstance(value, list):
            return "[" + ", ".join(spell(bare.of_type, one) for one in value) + "]"
        return literal(bare.of_type, value)
    if isinstance(bare, GraphQLInputObjectType):
        return "{" + ", ".join(f"{name}: {spell(bare.fields[name].type, one)}" for name, one in value.items()) + "}"
    return str(value) if isinstance(bare, GraphQLEnumType) else json.dumps(value)
