"""AWS's scalars for the hosted schema. AppSync has them built in, and both accept and return the same values."""

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
    """Parse AWSJSON, which is JSON in a text, as on AppSync."""
    if isinstance(value, str):
        try:
            return nesting.decode(value, decode)
        except msgspec.DecodeError:
            pass
    raise GraphQLError("AWSJSON cannot represent a value that is not JSON as text")


def _text_of(name: str, kind: Any) -> Callable[[Any], Any]:
    """Return a parser that checks the format and returns the text unchanged. Operations parse it, as they do for REST."""

    def parse(value: Any) -> Any:
        if isinstance(value, str):
            try:
                msgspec.convert(value, kind)
            except (msgspec.ValidationError, ValueError):
                pass
            else:
                return value
        raise GraphQLError(f"{name} cannot represent a value that is not in ISO 8601")

    return parse


def json_text(value: Any) -> str:
    return ordered_json(value).decode()


SCALARS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "AWSJSON": (_json, json_text),
    "AWSDateTime": (_text_of("AWSDateTime", Annotated[datetime, Meta(tz=True)]), identity),
    "AWSDate": (_text_of("AWSDate", date), identity),
}
"""Scalar → the functions that parse and serialize its values."""
