"""Documents: parse them, check the limits, and validate them against the schema.

Errors have the codes of every surface. A value that does not fit its argument is `invalid_input` or `invalid_query`, with the same path as over
REST. Any other error of a document is `malformed_graphql`. AppSync rejects such requests itself; for arguments that still reach its function,
the operations raise the same codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLSchema,
    ListValueNode,
    Node,
    NoSchemaIntrospectionCustomRule,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValidationContext,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VariableNode,
    VisitorAction,
    get_named_type,
    is_input_type,
    is_non_null_type,
    parse,
    specified_rules,
    type_from_ast,
    validate,
)
from graphql.language import SKIP
from graphql.utilities import validate_input_literal, validate_input_value

from ....errors import Fault, InvalidInput, MalformedGraphql, PersistyError
from ....model.allowed_values import MAX_CHOICES, one_of
from ....model.msgspec_faults import pointer
from ..resolvers import ARGUMENT_ERRORS, error_extensions
from .document_limits import Limits, excesses
from .unknown_members import UnknownMember, without_unknown_members

MAX_ERRORS = 50
"""The most errors that are reported for one document or its variables."""

STORED = "stored"
"""Key in the extensions of a field whose arguments are those of a store's verb or of a link."""


class Rejected(Exception):
    """Raised for a document that cannot be executed, or whose variables do not fit. Each of `errors` has its code."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


def malformed(message: str, nodes: Any = None) -> GraphQLError:
    """Return an error of the document itself."""
    return GraphQLError(message, nodes, extensions=error_extensions(MalformedGraphql()))


def parsed(text: str, limits: Limits) -> DocumentNode:
    """Return the parsed document. Raises `Rejected` if it is malformed or exceeds a limit."""
    try:
        document = parse(text, max_tokens=limits.tokens)
    except GraphQLError as error:
        raise Rejected([_coded(error)]) from None
    if messages := excesses(document, limits):
        raise Rejected([malformed(one) for one in messages])
    return document


def check(schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> None:
    """Raise `Rejected` if the document is not valid for the schema. Without introspection, errors suggest no names of the schema."""
    hidden = not limits.introspection
    rules = (*RULES, NoSchemaIntrospectionCustomRule) if hidden else RULES
    if errors := validate(schema, document, rules, max_errors=MAX_ERRORS, hide_suggestions=hidden):
        raise Rejected([_coded(error) for error in errors])


def check_variables(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    given: Mapping[str, Any],
    limits: Limits,
) -> None:
    """Raise `Rejected` if a value for a variable is missing or does not fit.

    The check stops after `MAX_ERRORS` errors and suggests no similar names, so its time is linear in the variables. Without introspection, a fault
    lists no members of the schema's types.
    """
    shown = schema if limits.introspection else None
    errors: list[GraphQLError] = []

    def add(error: GraphQLError) -> None:
        errors.append(error)
        if len(errors) == MAX_ERRORS:
            raise Rejected(errors)

    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        expected = type_from_ast(schema, definition.type)
        value = given.get(name, Undefined)
        needed = is_non_null_type(expected) and definition.default_value is None
        if is_input_type(expected) and (needed or value is not Undefined):
            report = _Report(add, definition, shown, *_use(schema, document, name))
            validate_input_value(value, expected, report, hide_suggestions=True)
    if errors:
        raise Rejected(errors)


def _coded(error: GraphQLError) -> GraphQLError:
    if not error.extensions:
        error.extensions = error_extensions(MalformedGraphql())
    return error


# values that do not fit

_MESSAGES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"to include required field '(?P<name>\w+)'"), "Missing"),
    (
        re.compile(r"of type '(?P<type>\w+)' not to include unknown field '(?P<name>.*?)'(, found: |\.$)", re.DOTALL),
        "Unknown member",
    ),
    (re.compile(r"of non-null type .* (not to be None|to be provided)"), "Missing"),
)
"""Pattern of graphql-core's message → message of the fault. The name goes to the path. The members of the type are the expected ones."""
_VALUE = re.compile(r"(, found|[.;] [Ff]ound|: ).*", re.DOTALL)
"""Pattern of the value in graphql-core's message. It is removed, because it may be long and private."""


_ENUM = re.compile(r"^Value '\w*' does not exist in '(\w+)' enum|^Enum '(\w+)' cannot represent")
"""Pattern of graphql-core's messages about a value that is no member of an enum. The members are the expected values."""


class _Report:
    """Converts graphql-core's error about a value to one with a code and a path, and passes it to `add`. `schema`: None if errors name no members."""

    def __init__(
        self,
        add: Any,
        node: Node,
        schema: GraphQLSchema | None,
        field: GraphQLField | None,
        argument: str | None,
        within: Iterable[Any] = (),
    ) -> None:
        self._add, self._node, self._schema = add, node, schema
        self._stored = field is not None and field.extensions.get(STORED, False)
        self._argument, self._within = argument, tuple(within)

    def __call__(self, error: GraphQLError, path: list[str | int]) -> None:
        if self._argument is None:  # of a directive, or the default of a variable
            self._add(malformed(error.message, error.nodes or self._node))
            return
        kind: type[PersistyError] = InvalidInput
        if self._stored:
            kind = ARGUMENT_ERRORS.get(self._argument, InvalidInput)
        fault = _fault(error.message, [self._argument, *self._within, *path], self._schema)
        extensions = error_extensions(kind(faults=[fault]))
        self._add(GraphQLError(kind.title, error.nodes or self._node, extensions=extensions))


def _fault(message: str, path: list[Any], schema: GraphQLSchema | None) -> Fault:
    for pattern, message_of_fault in _MESSAGES:
        if found := pattern.search(message):
            groups = found.groupdict()
            name = [groups["name"]] if "name" in groups else []
            return Fault(pointer(*path, *name), message_of_fault, _members(schema, groups.get("type")))
    enum = _ENUM.search(message)
    return Fault(pointer(*path), _VALUE.sub("", message), _members(schema, enum[1] or enum[2]) if enum else None)


def _members(schema: GraphQLSchema | None, name: str | None) -> str | None:
    """Return the members of an input type or an enum as "one of a, b", None without a schema or a type."""
    kind = schema.get_type(name) if schema is not None and name is not None else None
    if isinstance(kind, GraphQLEnumType):
        return one_of(kind.values, MAX_CHOICES)
    return one_of(kind.fields) if isinstance(kind, GraphQLInputObjectType) else None


class _ValuesRule(ValuesOfCorrectTypeRule):
    """graphql-core's rule, extended by the path of an invalid value."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._argument: str | None = None

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        self._argument = None if self.context.get_directive() else node.name.value

    def leave_argument(self, *_: Any) -> None:
        self._argument = None

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        if input_type:
            shown = None if self.context.hide_suggestions else self.context.schema
            report = _Report(self.report_error, node, shown, self.context.get_field_def(), self._argument)
            known, unknown = without_unknown_members(node, input_type)
            validate_input_literal(known, input_type, report, hide_suggestions=True)
            for one in unknown:
                report(GraphQLError(_unknown(one), one.node), [*one.path])
        return SKIP


def _unknown(member: UnknownMember) -> str:
    return f"Expected value of type '{member.type}' not to include unknown field '{member.node.name.value}'."


RULES = [_ValuesRule if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules]


def _use(
    schema: GraphQLSchema, document: DocumentNode, variable: str
) -> tuple[GraphQLField | None, str | None, list[Any]]:
    """Return the first use of a variable: the field, the argument, and the path inside the argument's value."""
    for field, definition in _fields(schema, document):
        for argument in field.arguments or ():
            path = _path_to(argument.value, variable)
            if path is not None:
                return definition, argument.name.value, path
    return None, None, []


def _path_to(value: ValueNode, variable: str) -> list[Any] | None:
    if isinstance(value, VariableNode):
        return [] if value.name.value == variable else None
    inside: Iterable[tuple[Any, ValueNode]] = ()
    if isinstance(value, ListValueNode):
        inside = enumerate(value.values)
    elif isinstance(value, ObjectValueNode):
        inside = ((field.name.value, field.value) for field in value.fields)
    for step, part in inside:
        path = _path_to(part, variable)
        if path is not None:
            return [step, *path]
    return None


def _fields(schema: GraphQLSchema, document: DocumentNode) -> Iterator[tuple[FieldNode, GraphQLField | None]]:
    """Yield every field of a document with its definition."""
    left: list[tuple[Any, Any]] = [(one, None) for one in reversed(document.definitions)]
    while left:
        node, parent = left.pop()
        if isinstance(node, OperationDefinitionNode):
            parent = schema.get_root_type(node.operation)
        elif isinstance(node, FieldNode):
            definition = parent.fields.get(node.name.value) if isinstance(parent, GraphQLObjectType) else None
            yield node, definition
            parent = get_named_type(definition.type) if definition else None
        elif getattr(node, "type_condition", None):
            parent = schema.get_type(node.type_condition.name.value)
        selections = getattr(node, "selection_set", None)
        left.extend((one, parent) for one in reversed(selections.selections if selections else ()))
