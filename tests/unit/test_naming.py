"""Derived names."""

from __future__ import annotations

import itertools

import pytest

from persisty import App, InvalidDeclaration
from persisty.naming import (
    STAGE,
    camel,
    index_name,
    is_table_of,
    kebab,
    pascal,
    snake,
    stack_prefix,
    system_table_name,
    table_name,
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Message", ["message"]),
        ("MessageDraft", ["message", "draft"]),
        ("message_draft", ["message", "draft"]),
        ("message-draft", ["message", "draft"]),
        ("messageDraftRead", ["message", "draft", "read"]),
        ("HTTPRequest", ["http", "request"]),
        ("URL", ["url"]),
        ("S3Object", ["s3", "object"]),
        ("User2", ["user2"]),
        ("oauth2_token", ["oauth2", "token"]),
        ("A", ["a"]),
    ],
)
def test_a_name_in_every_case(name: str, words: list[str]) -> None:
    assert snake(name) == "_".join(words)
    assert kebab(name) == "-".join(words)
    assert pascal(name) == "".join(word.capitalize() for word in words)
    assert camel(name) == words[0] + "".join(word.capitalize() for word in words[1:])
    for spelling in (snake, kebab):
        assert spelling(spelling(name)) == spelling(name)


def test_tables_and_indexes() -> None:
    assert table_name("messenger", "dev", "message_draft") == "messenger-dev-message-draft"
    assert table_name("my-app", "dev", "message_draft") == "my-app--dev--message-draft"
    assert index_name(("author_id", "created_at")) == "by-author_id-created_at"


WORDS = ("a", "b", "2")
KEBABS = ["-".join(words) for count in (1, 2, 3) for words in itertools.product(WORDS, repeat=count) if words[0] != "2"]
STAGES = ["-".join(words) for count in (1, 2, 3) for words in itertools.product(WORDS, repeat=count)]


def test_no_two_stores_of_any_apps_and_stages_share_a_table() -> None:
    parts = list(itertools.product(KEBABS, STAGES, KEBABS))
    names = {table_name(*one) for one in parts} | {system_table_name(app, stage) for app, stage, _ in parts}
    assert len(names) == len(parts) + len(KEBABS) * len(STAGES)


def test_no_two_apps_and_stages_share_stacks() -> None:
    parts = list(itertools.product(KEBABS, STAGES))
    assert len({stack_prefix(*one) for one in parts}) == len(parts)


@pytest.mark.parametrize("stage", ["", "Dev", "feature/x", "a--b", "-a", "a-", "a_b", "a.b", "é"])
def test_a_stage_that_cannot_be_part_of_names_is_rejected(stage: str) -> None:
    app = App("shop", items=[], url="memory://")
    with pytest.raises(InvalidDeclaration, match="Not a stage"):
        app.stage = stage
    assert STAGE.fullmatch(app.stage)


def test_long_names_are_shortened_and_stay_distinct() -> None:
    long = "very_long_" * 30
    names = {table_name("shop", "dev", f"{long}{end}") for end in ("one", "two")}
    names |= {system_table_name(long, stage) for stage in ("dev", "prod")}
    names |= {index_name((f"{long}{end}", "at")) for end in ("one", "two")}
    assert len(names) == 6
    assert {len(name) for name in names} == {255}
    assert len({stack_prefix(long, stage) for stage in ("dev", "prod")}) == 2
    assert len(stack_prefix(long, "dev")) + len("-Events") <= 128
    assert table_name("shop", "dev", long) == table_name("shop", "dev", long)


def test_the_tables_of_an_app_and_stage_are_known_by_their_names() -> None:
    places = [(app, stage) for app in ("shop", "shop-dev", "sho") for stage in ("dev", "dev-x", "p")]
    names = {
        name: place
        for place in places
        for name in (
            system_table_name(*place),
            *(table_name(*place, store) for store in ("note", "dev", "persisty_schema")),
        )
    }
    for name, owner in names.items():
        assert [place for place in places if is_table_of(name, *place)] == [owner], name
    assert not is_table_of("shop-dev-", "shop", "dev")
    assert not is_table_of("shop-dev", "shop", "dev")
