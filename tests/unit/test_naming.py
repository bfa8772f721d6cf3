"""Names derived from names."""

from __future__ import annotations

import pytest

from persisty.naming import camel, index_name, kebab, pascal, snake, table_name


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
def test_a_name_in_every_spelling(name: str, words: list[str]) -> None:
    assert snake(name) == "_".join(words)
    assert kebab(name) == "-".join(words)
    assert pascal(name) == "".join(word.capitalize() for word in words)
    assert camel(name) == words[0] + "".join(word.capitalize() for word in words[1:])
    for spelling in (snake, kebab):
        assert spelling(spelling(name)) == spelling(name)


def test_tables_and_indexes() -> None:
    assert table_name("my-app", "dev", "message_draft") == "my-app-dev-message-draft"
    assert index_name(("author_id", "created_at")) == "by-author_id-created_at"
