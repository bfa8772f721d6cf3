"""What an answer to AppSync carries beside the fields that are selected, for the resolvers of links.

AppSync takes fields of an answer by their names, and every link has a resolver of its own (`stacks/constructs/link.js`): one that
finds the link in the answer takes it from there. Of a link that was left out (`picking.py`) the object carries what it goes by, with which the
resolver invokes the function, once for all objects. No name of a field is like the names here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from ..selection import Selected
from ..values import member_of


def end_key(link: str) -> str:
    """Where the value is by which a link goes, as JSON."""
    return f":{link}"


def arguments_key(link: str) -> str:
    """Where the arguments are with which a link is held, each as JSON; without these it is held for whoever asks."""
    return f"{link}()"


def end_of(link: str, local: str) -> Selected:
    """The value of the attribute `local`, by which the link goes."""
    return Selected(end_key(link), local, get=partial(_as_json, name=local))


def arguments_of(link: str, arguments: Mapping[str, Any]) -> Selected:
    """The arguments with which the link is held."""
    told = {name: _json(value) for name, value in arguments.items()}
    return Selected(arguments_key(link), arguments_key(link), get=lambda _: told)


def _as_json(item: Any, name: str) -> str | None:
    value = member_of(item, name)
    try:
        return None if value is None or value is UNSET else _json(value)
    except (TypeError, ValueError):  # an action answers something else under this name
        return None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
