"""The size of introspection: an upper bound of the values about the schema in a response, before it is executed.

The bound is counted like complexity, with the sizes of the real schema. `__schema { types { fields { args` reaches each type, field and
argument once. A type that is reached through another field is counted as the largest one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    parse,
)

INTROSPECTION = frozenset({"__schema", "__type"})
QUICK_INTROSPECTION = 1_000
"""The most values about the schema in a response that is made in an event loop. graphql-core takes about ten times as long for each."""
INTROSPECTS = re.compile(r"__(?:schema|type)\b", re.ASCII)
SLACK = 1.25
"""The limit, as a multiple of graphql-core's most complete introspection query, which includes everything that GraphiQL and Apollo request."""

_Kind = str

_OF_TYPE: dict[str, tuple[_Kind, str]] = {
    "fields": ("field", "fields"), "inputFields": ("input", "inputs"), "enumValues": ("value", "values"), "ofType": ("type", "one"),
    "interfaces": ("type", "interfaces"), "possibleTypes": ("type", "possible"),
}  # fmt: skip
STEPS: dict[_Kind, dict[str, tuple[_Kind, str]]] = {
    "root": {"__schema": ("schema", "one"), "__type": ("type", "one")},
    "schema": {
        "types": ("each type", "types"), "queryType": ("type", "one"), "mutationType": ("type", "one"), "subscriptionType": ("type", "one"),
        "directives": ("directive", "directives"),
    },
    "each type": {
        "fields": ("each field", "fields of types"), "inputFields": ("input", "inputs of types"), "enumValues": ("value", "values of types"),
        "interfaces": ("type", "interfaces of types"), "possibleTypes": ("type", "possible of types"), "ofType": ("type", "one"),
    },
    "each field": {"args": ("input", "arguments of fields"), "type": ("type", "one")},
    "type": _OF_TYPE,
    "field": {"args": ("input", "arguments"), "type": ("type", "one")},
    "input": {"type": ("type", "one")},
    "directive": {"args": ("input", "arguments of directives")},
    "value": {},
}  # fmt: skip
"""Kind of an object → field → the kind of the objects below it, and the name of their number for each object."""


class IntrospectionSize:
    """Counts the values in responses to introspection of one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._numbers = numbers_of(schema)
        full = get_introspection_query(
            specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True,
            experimental_directive_deprecation=True, one_of=True,
        )  # fmt: skip
        self.limit = int(self.of(parse(full)) * SLACK)

    def of(self, document: DocumentNode) -> int:
        """Return the most values about the schema in the responses to all operations of a document."""
        fragments = {
            one.name.value: one.selection_set for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        walk = _Walk(self._numbers, fragments)
        operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        return int(sum(walk.values(one.selection_set, "root") for one in operations))


class _Walk:
    """One count. Each fragment is counted once for each kind of object and cached, so that many spreads cost no time."""

    def __init__(self, numbers: Mapping[str, float], fragments: Mapping[str, SelectionSetNode]) -> None:
        self._numbers, self._fragments = numbers, fragments
        self._known: dict[tuple[str, _Kind], float] = {}

    def values(self, selections: SelectionSetNode | None, kind: _Kind) -> float:
        count, steps = 0.0, STEPS[kind]
        for one in selections.selections if selections else ():
            if isinstance(one, FieldNode):
                step = steps.get(one.name.value)
                if step is not None:
                    count += 1 + self._numbers[step[1]] * self.values(one.selection_set, step[0])
                elif kind != "root":
                    count += 1
            elif isinstance(one, FragmentSpreadNode):
                count += self._spread(one.name.value, kind)
            elif isinstance(one, InlineFragmentNode):
                count += self.values(one.selection_set, kind)
        return count

    def _spread(self, name: str, kind: _Kind) -> float:
        key = name, kind
        if key not in self._known:
            self._known[key] = 0  # a fragment that spreads itself ends here; validation rejects it
            self._known[key] = self.values(self._fragments.get(name), kind)
        return self._known[key]


def numbers_of(schema: GraphQLSchema) -> dict[str, float]:
    """Return the numbers of a schema's objects, by the names that `STEPS` uses."""
    types = schema.type_map.values()
    owners = [one for one in types if isinstance(one, GraphQLObjectType | GraphQLInterfaceType)]
    fields = [len(one.fields) for one in owners]
    arguments = [len(field.args) for one in owners for field in one.fields.values()]
    inputs = [len(one.fields) for one in types if isinstance(one, GraphQLInputObjectType)]
    values = [len(one.values) for one in types if isinstance(one, GraphQLEnumType)]
    interfaces = [len(one.interfaces) for one in owners]
    possible = [
        len(schema.get_possible_types(one)) for one in types if isinstance(one, GraphQLInterfaceType | GraphQLUnionType)
    ]
    every = max(1, len(types))
    return {
        "one": 1, "types": every, "directives": len(schema.directives),
        "fields": _most(fields), "inputs": _most(inputs), "values": _most(values), "arguments": _most(arguments),
        "interfaces": _most(interfaces), "possible": _most(possible),
        "fields of types": sum(fields) / every, "inputs of types": sum(inputs) / every, "values of types": sum(values) / every,
        "interfaces of types": sum(interfaces) / every, "possible of types": sum(possible) / every,
        "arguments of fields": sum(arguments) / max(1, sum(fields)),
        "arguments of directives": _most(len(one.args) for one in schema.directives),
    }  # fmt: skip


def _most(numbers: Iterable[int]) -> int:
    return max(numbers, default=0)
