"""`persisty token`: a token of persisty's own on the standard output, and nothing else there, for scripts and for trying things out."""

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
"""Seconds that a token is good for at most: nobody can take one back."""


def command(
    subject: Annotated[str | None, typer.Option(help="Who calls; without it nobody in particular")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="What is granted; may be given several times")] = None,
    claim: Annotated[
        list[str] | None, typer.Option(help="A claim, as name=text or name:=JSON; may be given several times")
    ] = None,
    expires: Annotated[str, typer.Option(help="How long it is good, such as 30s, 15m, 1h or 7d")] = "1h",
) -> None:
    """Print a token, signed with the secret or key that is configured."""
    scopes = frozenset(word for one in scope or () for word in one.split())
    if subject == "" or (subject is None and not scopes):
        raise BadParameter("A token for nobody, which grants nothing: give --subject or --scope")
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
    try:
        return name, msgspec.json.decode(value) if json else value
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadParameter(f"What is after {name}:= is not JSON", param_hint="--claim") from error


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text, re.ASCII)
    seconds = int(match[1]) * SECONDS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST:
        raise BadParameter("Expected a duration such as 30s, 15m, 1h or 7d, of at most a year", param_hint="--expires")
    return seconds
