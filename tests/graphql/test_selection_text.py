"""The parser of selection sets accepts and rejects the same texts as graphql-core."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    parse,
    print_ast,
    value_from_ast_untyped,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from persisty import InvalidInput
from persisty.api.graphql.appsync.selection_text import Part, Parts, Variable, parse_selection, value_of, variables_in
from persisty.api.graphql.hosted.schema import GraphqlSchema

from . import town
from .documents import Generator

PRINTED = """{
  postId
  secondTitle: title
  author(id: $authorId) { authorId name }
  secondAuthor(id: "789", at: {deep: [1, -2.5e3, $n, null, true, ENUM, {}], text: \"\"\"
      block
        "quoted"
    \"\"\"}) @include(if: $yes) { authorId }
  ... on Post { inlineFrag: comments { id } }
  ... @skip(if: true) { skipped }
  ...postFrag @include(if: $no)
}"""


def read(selections: SelectionSetNode) -> Parts:
    """Return graphql-core's selection in the form of the parser."""
    fields: list[Any] = []
    inline: list[Any] = []
    spread = False
    for one in selections.selections:
        if isinstance(one, FieldNode):
            key = (one.alias or one.name).value
            arguments = {argument.name.value: value(argument.value) for argument in one.arguments or ()}
            below = read(one.selection_set) if one.selection_set else None
            fields.append(Part(key, one.name.value, arguments, conditions(one), below))
        elif isinstance(one, InlineFragmentNode):
            inline.append((conditions(one), read(one.selection_set)))
        elif isinstance(one, FragmentSpreadNode):
            spread = True
    return Parts(tuple(fields), tuple(inline), spread)


def conditions(node: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((one.name.value, value(one.arguments[0].value)) for one in node.directives or ())


def value(node: Any) -> Any:
    if isinstance(node, VariableNode):
        return Variable(node.name.value)
    if hasattr(node, "fields"):
        return {field.name.value: value(field.value) for field in node.fields}
    return [value(one) for one in node.values] if hasattr(node, "values") else value_from_ast_untyped(node)


def by_graphql_core(text: str) -> Parts:
    [operation] = parse(text).definitions
    return read(operation.selection_set)  # type: ignore[attr-defined]


def test_the_examples_of_the_documentation_are_parsed() -> None:
    found = parse_selection(PRINTED)
    assert found == by_graphql_core(PRINTED)
    assert [part.key for part in found.fields] == ["postId", "secondTitle", "author", "secondAuthor"]
    assert found.spread
    at = found.fields[3].arguments["at"]
    assert sorted(variables_in(at)) == ["n"]
    assert value_of(at, {"n": 5}) == {"deep": [1, -2500.0, 5, None, True, "ENUM", {}], "text": 'block\n  "quoted"'}


def test_generated_selections_are_parsed_like_graphql_core() -> None:
    schema = GraphqlSchema(town.app)
    for seed in range(400):
        generated = Generator(schema.whole, Random(seed), ["p0", 'q"u\\ote', "é\n", "\u2028"], ["x"])
        for definition in parse(generated.document()).definitions:
            text = print_ast(definition.selection_set)  # type: ignore[attr-defined]
            assert parse_selection(text) == read(definition.selection_set), text  # type: ignore[attr-defined]


TEXTS = [
    "", "{", "}", "{}x", "{a(", "{a:}", "{a(x:)}", "{a(x:01)}", "{a(x:1.)}", "{a(x:1a)}", "{a(x:-)}", "{a(x:.5)}", "{a b}}",
    '{a(x:"\\ud800")}', '{a(x:"\\q")}', '{a(x:"\n")}', '{a(x:"\\u{110000}")}', '{a(x:"\\u{D800}")}', '{a(x:"""b)}', "{...on}",
    "{... on 3 {a}}", "{a @}", "{a(x:$)}", "{a(x:[1)}", "{a(x:{b})}", "{a(x:{b:1)}", "{ä}", "{a;b}", "{a(:1)}",
]  # fmt: skip


@pytest.mark.parametrize("text", [*TEXTS, "{a" * 500, "{a(x:" + "[" * 500])
def test_a_text_that_is_not_a_selection_set_is_rejected(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_selection(text)


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ('"\\u00e9\\u{1F600}\\uD83D\\uDE00\\n\\/"', "é😀😀\n/"),
        ('"""\n    a\n      b\n\n    c\n  """', "a\n  b\n\nc"),
        ('"""\\""" "x" """', '""" "x" '),
        ('""', ""),
        ('""""""', ""),
        ("-0", 0),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        ("on", "on"),
        ("[[], [{}]]", [[], [{}]]),
    ],
)
def test_values_are_parsed(spelled: str, expected: Any) -> None:
    text = f"{{ a(x: {spelled}) }}"
    found = parse_selection(text)
    assert found.fields[0].arguments == {"x": expected}
    assert found == by_graphql_core(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}()[]:$@."\\u,# \nabon019-+eE', max_size=30).map(lambda text: "{" + text + "}"))
def test_any_text_is_parsed_like_graphql_core_or_rejected(text: str) -> None:
    try:
        expected = by_graphql_core(text)
    except (GraphQLError, ValueError, IndexError, TypeError):
        return  # AppSync has already rejected such a text, so the parser may accept it
    assert parse_selection(text) == expected
