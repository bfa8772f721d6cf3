"""Derived names: those of stores, tables, indexes, operations and parameters.

The runtime and the deployed template both call these functions, so their names always agree.
"""

from __future__ import annotations

import re
from hashlib import sha256

RESERVED = "persisty_"
"""Prefix of the names of system stores."""
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*|[0-9]+")


def snake(name: str) -> str:
    """Return the name of a store: `MessageDraft` → `message_draft`."""
    return "_".join(word.lower() for word in _WORD.findall(name))


def kebab(name: str) -> str:
    """Return a name for a URL: `message_draft` → `message-draft`."""
    return snake(name).replace("_", "-")


def camel(name: str) -> str:
    """Return the name of an operation in GraphQL: `message_draft_read` → `messageDraftRead`."""
    first, *rest = snake(name).split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    """Return the name of a type in GraphQL and OpenAPI: `message_draft` → `MessageDraft`."""
    return "".join(word.capitalize() for word in snake(name).split("_"))


STAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""A stage: lower-case letters and digits, in words with single hyphens between them."""


MAX_STAGE = 64
"""Characters of a stage that is deployed."""
MAX_TABLE, MAX_INDEX, MAX_PREFIX = 255, 255, 110
"""Characters of DynamoDB's names of tables and indexes, and of the beginning of a stack's name, which has at most 128."""
_DIGEST = 12


def shortened(name: str, limit: int) -> str:
    """Return the name, shortened to at most `limit` characters. A shortened name ends with a hash of the whole name, so that names stay distinct."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - _DIGEST - 1]}-{sha256(name.encode()).hexdigest()[:_DIGEST]}"


def table_name(app: str, stage: str, store: str) -> str:
    """Return the name of a store's DynamoDB table: `messenger-dev-message`, or `my-shop--dev--message`.

    The names of all stores of all apps and stages differ: two hyphens separate the parts if the app or the stage contains one.
    """
    return shortened(_separator(app, stage).join((kebab(app), stage, kebab(store))), MAX_TABLE)


def is_table_of(name: str, app: str, stage: str) -> bool:
    """Return whether a DynamoDB table has a name of this app and stage. Tables of other apps and stages never have one."""
    separator = _separator(app, stage)
    begin = separator.join((kebab(app), stage, ""))
    store = name.removeprefix(begin) if name.startswith(begin) else ""
    return name == system_table_name(app, stage) or (store != "" and not store.startswith("-"))


def _separator(app: str, stage: str) -> str:
    return "--" if "-" in kebab(app) or "-" in stage else "-"


def stack_prefix(app: str, stage: str) -> str:
    """Return the beginning of the names of an app's stacks: `Messenger-dev`, or `web-2--dev` for an app that shares its Pascal case with `web2`."""
    name = pascal(app)
    return shortened(f"{name}-{stage}" if kebab(name) == kebab(app) else f"{kebab(app)}--{stage}", MAX_PREFIX)


def index_name(attributes: tuple[str, ...], unique: bool = False) -> str:
    """Return the name of the index over these attributes: `by-author_id-created_at` (a GSI's has at least 3 characters), or `unique-name`."""
    return shortened("-".join(("unique" if unique else "by", *attributes)), MAX_INDEX)


def system_table_name(app: str, stage: str) -> str:
    """Return the name of an app's system table in DynamoDB: `messenger-dev.system`. Names of stores have no dot."""
    suffix = ".system"
    return shortened(_separator(app, stage).join((kebab(app), stage)), MAX_TABLE - len(suffix)) + suffix


def parameter_name(app: str, stage: str, *parts: str) -> str:
    """Return the name of the SSM parameter that passes a value from one stack to others: `/persisty/messenger/dev/graphql/url`."""
    return "/".join(("", "persisty", kebab(app), stage, *parts))


MAX_QUEUE = 80
"""Characters of the name of a queue of SQS."""


def dead_letters_name(app: str, stage: str) -> str:
    """Return the name of the queue of events that no handler has handled: `messenger-dev-event-dead-letters`."""
    suffix = "-event-dead-letters"
    return shortened(_separator(app, stage).join((kebab(app), stage)), MAX_QUEUE - len(suffix)) + suffix


def secret_name(app: str, stage: str) -> str:
    """Return the name of the secret of persisty's own tokens: `persisty/messenger/dev/tokens`.

    It must not end with a hyphen and six characters: Secrets Manager would read these as the end of an ARN.
    """
    return "/".join(("persisty", kebab(app), stage, "tokens"))
