"""`persisty token`: print a signed token on standard output, and nothing else, so that scripts can use it."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import typer
from typer import BadParameter

from .. import settings
from ..security.authenticator import authenticator_of
from ..security.caller import Caller
from ..security.local_secret import ensure
from ..security.tokens import RESERVED

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Unit of a duration → seconds."""
LONGEST = 366 * SECONDS["d"]
"""Maximum lifetime of a token in seconds. A token cannot be revoked."""


def command(
    subject: Annotated[str | None, typer.Option(help="Subject of the caller; default: anonymous")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Scope to grant; repeatable")] = None,
    claim: Annotated[list[str] | None, typer.Option(help="Claim, as name=text or name:=JSON; repeatable")] = None,
    expires: Annotated[str, typer.Option(help="Lifetime, such as 30s, 15m, 1h or 7d")] = "1h",
) -> None:
    """Print a token, signed with the configured secret or key."""
    scopes = frozenset(word for one in scope or () for word in one.split())
    if subject == "" or (subject is None and not scopes):
        raise BadParameter("The token would identify no caller and grant nothing: give --subject or --scope")
    caller = Caller(subject, scopes, dict(map(_claim, claim or ())))
    lifetime = _seconds(expires)
    configured = settings.load()
    ensure(configured, configured.stage)
    authenticator = authenticator_of(configured, configured.stage, settings.token_secret(), needed=False)
    typer.echo(authenticator.token(caller, lifetime=lifetime))


def _claim(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    json = name.endswith(":")
    name = name.removesuffix(":")
    if not separator or not name or name in RESERVED:
        raise BadParameter(
            f"Expected name=text or name:=JSON, and none of {', '.join(sorted(RESERVED))}", param_hint="--claim"
        )
    if not json and value[:1] in ("[", "{"):
        typer.echo(f"The claim {name} is text. For a list or an object: --claim {name}:='{value}'", err=True)
    try:
        return name, msgspec.json.decode(value) if json else value
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadParameter(f"The value of {name}:= is not JSON", param_hint="--claim") from error


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text, re.ASCII)
    seconds = int(match[1]) * SECONDS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST:
        raise BadParameter("Expected a duration such as 30s, 15m, 1h or 7d, of at most a year", param_hint="--expires")
    return seconds
