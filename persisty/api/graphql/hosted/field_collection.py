"""Collect the fields of a validated operation as the neutral tree of `selection.py`.

Fields are merged by response key, fragments included. Fields that `@skip` or `@include` exclude, for the given variables, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_argument_values,
    get_named_type,
)
from graphql.execution.values import VariableValues
from graphql.utilities import coerce_input_literal

from ..selection import CONDITIONS, Arguments, Selected, no_arguments

HARMLESS = "harmless"
"""Key in the extensions of a field that neither stores nor changes its arguments. Its literals are read once for all calls."""


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document, by name."""
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}


def switches_of(document: DocumentNode) -> frozenset[str]:
    """Return the variables that `@skip` and `@include` use."""
    found: set[str] = set()
    left: list[Any] = list(document.definitions)
    while left:
        node = left.pop()
        for directive in (
            getattr(node, "directives", None) or () if not isinstance(node, OperationDefinitionNode) else ()
        ):
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found.add(argument.value.name.value)
        selections = getattr(node, "selection_set", None)
        left.extend(selections.selections if selections else ())
    return frozenset(found)


class Collector:
    """Collects the selections of one operation. `switches`: the values of the variables that directives use."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], switches: Mapping[str, Any]
    ) -> None:
        self._schema, self._fragments, self._switches = schema, fragments, switches

    def fields(self, sets: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Return response key → its fields, of several selections that are merged."""
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for one in sets:
            for field in self._flat(one, spread):
                found.setdefault((field.alias or field.name).value, []).append(field)
        return found

    def selected(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Selected:
        """Return the selected field of a type, with its tree."""
        name = nodes[0].name.value
        definition = parent.fields.get(name)
        if definition is None:  # __typename
            return Selected(key, name, place=nodes)
        below: tuple[Selected, ...] = ()
        inner = get_named_type(definition.type)
        if isinstance(inner, GraphQLObjectType):
            found = self.fields([node.selection_set for node in nodes if node.selection_set is not None])
            below = tuple(self.selected(inner, one, several) for one, several in found.items())
        return Selected(key, name, _arguments(definition, nodes[0]), below, nodes)

    def _flat(self, selections: SelectionSetNode, spread: set[str]) -> Iterator[FieldNode]:
        for one in selections.selections:
            if not self._included(one):
                continue
            if isinstance(one, FieldNode):
                yield one
            elif isinstance(one, InlineFragmentNode):
                yield from self._flat(one.selection_set, spread)
            elif isinstance(one, FragmentSpreadNode) and one.name.value not in spread:
                spread.add(one.name.value)
                yield from self._flat(self._fragments[one.name.value].selection_set, spread)

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            included = CONDITIONS.get(directive.name.value)
            if included is not None and self._flag(directive.arguments[0].value) is not included:
                return False
        return True

    def _flag(self, value: ValueNode) -> Any:
        if isinstance(value, VariableNode):
            return self._switches.get(value.name.value)
        return value.value if isinstance(value, BooleanValueNode) else None


def _arguments(definition: GraphQLField, node: FieldNode) -> Arguments:
    """Return the function that makes the arguments of a field: constant, from variables, or from literals that contain variables."""
    given = node.arguments or ()
    if not given:
        return no_arguments
    passed = [(one.name.value, one.value.name.value) for one in given if isinstance(one.value, VariableNode)]
    literal = [one for one in given if not isinstance(one.value, VariableNode)]
    if literal and (any(_mentions_variable(one.value) for one in literal) or not definition.extensions.get(HARMLESS)):
        return _reader(definition, node)
    fixed = {one.name.value: coerce_input_literal(one.value, definition.args[one.name.value].type) for one in literal}
    if not passed:
        return lambda _: fixed
    return lambda values: (
        fixed | {name: values.coerced[variable] for name, variable in passed if variable in values.coerced}
    )


def _reader(definition: GraphQLField, node: FieldNode) -> Callable[[VariableValues], dict[str, Any]]:
    return lambda values: get_argument_values(definition, node, values)


def _mentions_variable(value: ValueNode) -> bool:
    inside: Any = getattr(value, "values", None) or [field.value for field in getattr(value, "fields", None) or ()]
    return isinstance(value, VariableNode) or any(map(_mentions_variable, inside))
