"""Extra members of a result for AppSync, for the resolvers of links.

AppSync finds the fields of a result by name, and every link has its own resolver (`stacks/constructs/link.js`). If the result contains the link, the
resolver returns it. If the link was left out (`appsync_selection.py`), the object contains the link's source value, with which the resolver invokes
the function once for all objects. A field cannot have one of these names, because of their punctuation.
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
    """Return the name of the member with a link's source value, as JSON."""
    return f":{link}"


def arguments_key(link: str) -> str:
    """Return the name of the member with the arguments of a loaded link, each as JSON. Without it, the link is loaded for any arguments."""
    return f"{link}()"


def end_of(link: str, local: str) -> Selected:
    """Return the field with the value of `local`, the attribute that the link follows."""
    return Selected(end_key(link), local, get=partial(_as_json, name=local))


def arguments_of(link: str, arguments: Mapping[str, Any]) -> Selected:
    """Return the field with the arguments of a link that the object contains."""
    given = {name: _json(value) for name, value in arguments.items()}
    return Selected(arguments_key(link), arguments_key(link), get=lambda _: given)


def _as_json(item: Any, name: str) -> str | None:
    value = member_of(item, name)
    try:
        return None if value is None or value is UNSET else _json(value)
    except (TypeError, ValueError):  # an action returns another value with this name
        return None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
