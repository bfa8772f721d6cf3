"""Unknown members of the input objects in a document. They are removed before graphql-core checks a value.

graphql-core repeats the whole object in its error for each unknown member, so its time grows with the square of the object's length.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    ListValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    ValueNode,
    get_nullable_type,
)
from msgspec import Struct


class UnknownMember(Struct, frozen=True):
    """A member that its type does not have. `path`: the path of its object within the value."""

    node: ObjectFieldNode
    type: GraphQLInputObjectType
    path: tuple[str | int, ...]


def without_unknown_members(value: ValueNode, expected: GraphQLInputType) -> tuple[ValueNode, list[UnknownMember]]:
    """Return the value without the members that its type does not have, and these members."""
    found: list[UnknownMember] = []
    return _known(value, expected, (), found), found


def _known(
    value: ValueNode, expected: GraphQLInputType, path: tuple[str | int, ...], found: list[UnknownMember]
) -> ValueNode:
    kind = get_nullable_type(expected)
    if isinstance(kind, GraphQLList):
        if not isinstance(value, ListValueNode):
            return _known(value, kind.of_type, path, found)
        members = [_known(one, kind.of_type, (*path, at), found) for at, one in enumerate(value.values)]
        return value if _same(members, value.values) else ListValueNode(values=tuple(members), loc=value.loc)
    if not isinstance(kind, GraphQLInputObjectType) or not isinstance(value, ObjectValueNode):
        return value
    fields = list(_known_fields(value, kind, path, found))
    return value if _same(fields, value.fields) else ObjectValueNode(fields=tuple(fields), loc=value.loc)


def _known_fields(
    value: ObjectValueNode, kind: GraphQLInputObjectType, path: tuple[str | int, ...], found: list[UnknownMember]
) -> Iterator[ObjectFieldNode]:
    for field in value.fields:
        name = field.name.value
        definition = kind.fields.get(name)
        if definition is None:
            found.append(UnknownMember(field, kind, path))
            continue
        inner = _known(field.value, definition.type, (*path, name), found)
        yield field if inner is field.value else ObjectFieldNode(name=field.name, value=inner, loc=field.loc)


def _same(found: list[ValueNode] | list[ObjectFieldNode], original: tuple[ValueNode | ObjectFieldNode, ...]) -> bool:
    return len(found) == len(original) and all(one is other for one, other in zip(found, original, strict=True))
