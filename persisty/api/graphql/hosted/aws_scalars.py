"""AWS's scalars as the hosted schema reads and writes them: what AppSync does itself, so that both take and give the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from graphql import GraphQLError
from msgspec import Meta

from ....model import nesting
from ....model.json_numbers import decode
from ....model.set_order import ordered_json
from ....model.types import identity


def _json(value: Any) -> Any:
    """AWSJSON as AppSync takes it: text only, handed on parsed."""
    if isinstance(value, str):
        try:
            return nesting.decode(value, decode)
        except msgspec.DecodeError:
            pass
    raise GraphQLError("AWSJSON cannot represent a value that is not JSON as text")


def _spelled(name: str, kind: Any) -> Callable[[Any], Any]:
    """Check the spelling and hand on the text: operations read it as they read it from REST."""

    def parse(value: Any) -> Any:
        if isinstance(value, str):
            try:
                msgspec.convert(value, kind)
            except (msgspec.ValidationError, ValueError):
                pass
            else:
                return value
        raise GraphQLError(f"{name} cannot represent a value that is not spelled in ISO 8601")

    return parse


def json_text(value: Any) -> str:
    return ordered_json(value).decode()


SCALARS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "AWSJSON": (_json, json_text),
    "AWSDateTime": (_spelled("AWSDateTime", Annotated[datetime, Meta(tz=True)]), identity),
    "AWSDate": (_spelled("AWSDate", date), identity),
}
"""Scalar → what reads its values and what writes them."""
