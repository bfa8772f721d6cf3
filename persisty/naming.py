"""Names derived from names: what a store, its table, its indexes and its operations are called everywhere.

The runtime and the deployed template both call these functions, which is why they cannot drift apart.
"""

from __future__ import annotations

import re

RESERVED = "persisty_"
"""Prefix of the items that persisty reserves for itself."""
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*|[0-9]+")


def snake(name: str) -> str:
    """`MessageDraft` → `message_draft`: the name of a store."""
    return "_".join(word.lower() for word in _WORD.findall(name))


def kebab(name: str) -> str:
    """`message_draft` → `message-draft`: a store in a URL."""
    return snake(name).replace("_", "-")


def camel(name: str) -> str:
    """`message_draft_read` → `messageDraftRead`: an operation in GraphQL."""
    first, *rest = snake(name).split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    """`message_draft` → `MessageDraft`: a type in GraphQL and OpenAPI."""
    return "".join(word.capitalize() for word in snake(name).split("_"))


def table_name(app: str, stage: str, store: str) -> str:
    """The DynamoDB table of a store: `messenger-dev-message`."""
    return f"{kebab(app)}-{stage}-{kebab(store)}"


def index_name(attributes: tuple[str, ...], unique: bool = False) -> str:
    """The index over these attributes: `by-author_id-created_at` (GSI names have at least 3 characters), or `unique-name`."""
    return "-".join(("unique" if unique else "by", *attributes))


def system_table_name(app: str, stage: str) -> str:
    """The DynamoDB table of what persisty keeps for an app beside its items: `messenger-dev.system`. No store has a dot."""
    return f"{kebab(app)}-{stage}.system"


def parameter_name(app: str, stage: str, *parts: str) -> str:
    """The SSM parameter by which one stack tells others what no name tells: `/persisty/messenger/dev/graphql/url`."""
    return "/".join(("", "persisty", kebab(app), stage, *parts))
