"""The schema text, from the operations: one schema for the hosted endpoint and for AppSync.

The types are the same for both. AppSync has the AWS scalars built in and rejects their declarations. Defaults of arguments are only in the
descriptions, because AppSync does not pass declared defaults to a resolver. The operations supply them.

`sdl` raises `InvalidDeclaration`, which lists every clash of names and every name that is not valid in GraphQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from ...errors import InvalidDeclaration
from ...model.meta import StoreMeta
from ..operations import ActionOperation, MultiStoreOperation, Operation, Parameter
from .described_types import annotation_ref
from .links import parameters_of
from .result_types import RESULTS, LinkField, link_fields, offered_in, result_ref
from .schema_text import Definitions, Line
from .store_inputs import PARAMETERS, StoreInputs
from .subscriptions import Subscription
from .types import ANY, AWS_SCALARS, Field, Leaf, ListOf, Record, Ref


class Directives(Struct, frozen=True):
    """The directives of root fields, of object types, and of other fields, by type and field."""

    roots: Mapping[str, tuple[str, ...]] = {}
    types: Mapping[str, tuple[str, ...]] = {}
    fields: Mapping[tuple[str, str], tuple[str, ...]] = {}


NO_DIRECTIVES = Directives()


def sdl(
    operations: Iterable[Operation],
    *,
    appsync: bool = False,
    directives: Directives = NO_DIRECTIVES,
    subscriptions: Iterable[Subscription] = (),
    offered: frozenset[StoreMeta[Any]] | None = None,
) -> str:
    """Return the schema of these operations and subscriptions in GraphQL's schema language.

    `offered`: the items that links may lead to. By default, those that the operations read.
    """
    known = tuple(operations)
    return _Schema(appsync, directives, offered_in(known) if offered is None else offered).text(
        known, tuple(subscriptions)
    )


class _Schema:
    """Builds the root types and the types that they need."""

    def __init__(self, appsync: bool, directives: Directives, offered: frozenset[StoreMeta[Any]]) -> None:
        self._appsync, self._directives, self._offered = appsync, directives, offered
        self._definitions = Definitions(appsync, directives.types)
        self._inputs = StoreInputs(self._definitions, offered, partial(self._reference, given=True))
        self._begun: set[tuple[Record, bool]] = set()

    def text(self, operations: Sequence[Operation], subscriptions: Sequence[Subscription]) -> str:
        fields = [(operation, self._root_field(operation)) for operation in operations]
        followed = [(one, self._subscription(one)) for one in subscriptions]
        publishers = [(one, self._publisher(one)) for one in subscriptions if self._appsync]
        others = [(line.name, one.name) for one, line in (*followed, *publishers)]
        self._definitions.check_unique([*((line.name, one.name) for one, line in fields), *others])
        lines = {
            "Query": [line for operation, line in fields if not operation.mutation],
            "Mutation": [line for operation, line in fields if operation.mutation] + [line for _, line in publishers],
            "Subscription": [line for _, line in followed],
        }
        if not lines["Query"]:  # GraphQL has no schema without a query
            lines["Query"] = [Line("nothing", "Boolean", "This app offers no queries")]
        roots = [self._definitions.body("type", name, some) for name, some in lines.items() if some]
        if self._definitions.faults:
            raise InvalidDeclaration(
                "The operations do not fit into one GraphQL schema", faults=self._definitions.faults
            )
        scalars = (
            [] if self._appsync else [self._definitions.described(f"scalar {n}", d) for n, d in AWS_SCALARS.items()]
        )
        entry = "\n".join(["schema {", *(f"  {name.lower()}: {name}" for name, some in lines.items() if some), "}"])
        return "\n\n".join([entry, *scalars, *roots, *self._definitions.texts()]) + "\n"

    # fields

    def _root_field(self, operation: Operation) -> Line:
        self._definitions.check_name(operation.field, f"/{operation.name}")
        result = self._reference(result_ref(operation))
        arguments = self._root_arguments(operation)
        marks = self._directives.roots.get(operation.field, ())
        return Line(operation.field, result, operation.description, arguments, marks)

    def _subscription(self, one: Subscription) -> Line:
        self._definitions.check_name(one.field, f"/{one.name}")
        where = Line("where", self._inputs.where(one.meta))
        marks = self._directives.roots.get(one.field, ())
        return Line(one.field, self._reference(RESULTS["item"](one.meta)), one.description, (where,), marks)

    def _publisher(self, one: Subscription) -> Line:
        """Return the mutation that triggers a subscription on AppSync. It returns its argument `item`."""
        marks = self._directives.roots.get(one.publisher, ())
        item = Line("item", ANY.name + "!")
        return Line(one.publisher, self._reference(RESULTS["item"](one.meta)), None, (item,), marks)

    def _link(self, owner: str, name: str, link: LinkField) -> Line:
        arguments = self._store_arguments(link.target, parameters_of(link), name)
        marks = self._directives.fields.get((owner, name), ())
        return Line(name, self._reference(link.ref), link.link.description, arguments, marks)

    def _root_arguments(self, operation: Operation) -> tuple[Line, ...]:
        if isinstance(operation, ActionOperation):
            return tuple(self._annotated(parameter, operation.name) for parameter in operation.parameters)
        if isinstance(operation, MultiStoreOperation):
            return tuple(self._of_several(operation, parameter) for parameter in operation.parameters)
        return self._store_arguments(operation.meta, operation.parameters, operation.name)

    def _of_several(self, operation: MultiStoreOperation, parameter: Parameter) -> Line:
        """Return the argument of an operation of several stores."""
        if parameter.shape != "edits":
            return self._annotated(parameter, operation.name)
        return self._argument(parameter, self._inputs.edits_of(operation.stores), parameter.required, operation.name)

    def _store_arguments(self, meta: StoreMeta[Any], parameters: Iterable[Parameter], owner: str) -> tuple[Line, ...]:
        found: list[Line] = []
        for parameter in parameters:
            if parameter.shape not in PARAMETERS:
                found.append(self._annotated(parameter, owner))
            elif (name := PARAMETERS[parameter.shape](self._inputs, meta)) is not None:
                found.append(self._argument(parameter, name, parameter.required, owner))
        return tuple(found)

    def _annotated(self, parameter: Parameter, owner: str) -> Line:
        """Return the argument for a parameter whose shape is an annotation."""
        ref = annotation_ref(parameter.shape)
        name = self._reference(Ref(ref.type, True), given=True)
        return self._argument(parameter, name, parameter.required and not ref.nullable, owner)

    def _argument(self, parameter: Parameter, name: str, required: bool, owner: str) -> Line:
        self._definitions.check_name(parameter.name, f"/{owner}/{parameter.name}")
        return Line(parameter.name, name + "!" * required, _with_default(parameter))

    # types in general

    def _reference(self, ref: Ref, *, given: bool = False) -> str:
        """Return the text of a reference to a type. The types that it needs are defined."""
        match ref.type:
            case Leaf() as leaf:
                name = self._definitions.leaf(leaf)
            case ListOf(item):
                name = f"[{self._reference(item, given=given)}]"
            case Record() as record:
                name = self._record(record, given=given)
        return name if (ref if given else ref.answered).nullable else name + "!"

    def _record(self, record: Record, *, given: bool) -> str:
        name = record.name + "Input" * given
        if (record, given) in self._begun:  # it contains itself
            return name
        self._begun.add((record, given))
        fields = [field for field in record.fields if _is_offered(record, field, given=given)]
        lines = [self._member(record, field, given=given) for field in fields]
        if record.meta is not None and not given:
            lines += [
                self._link(record.name, name, link) for name, link in link_fields(record.meta, self._offered).items()
            ]
        return self._definitions.define("input" if given else "type", name, lines, record.description)

    def _member(self, record: Record, field: Field, *, given: bool) -> Line:
        ref = Ref(field.ref.type, field.ref.nullable or not field.required) if given else field.answered
        marks = () if given else self._directives.fields.get((record.name, field.name), ())
        return Line(field.name, self._reference(ref, given=given), field.description, directives=marks)


def _is_offered(record: Record, field: Field, *, given: bool) -> bool:
    """Return whether some caller may read the field or, of an input, set it."""
    if not given:
        return field.readable is not False
    return record.meta is None or record.meta.attributes[field.attribute].creatable is not False


def _with_default(parameter: Parameter) -> str | None:
    """Return the description with the default in words."""
    if parameter.default is None:
        return parameter.description
    default = f"Default: {msgspec.json.encode(parameter.default).decode()}"
    return f"{parameter.description}. {default}" if parameter.description else default
