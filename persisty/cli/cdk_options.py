"""Options of the commands that run the CDK: deploy, synth, destroy, local and `diff --deployed`. Each is converted to arguments of the CDK's command line.

The stage is that of `--stage`, else of `PERSISTY_STAGE`, else of `cdk.json`, else `dev`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from .. import settings
from ..deploy.assembly import StackShape
from ..deploy.cdk_cli import app_words, configuration, context_words
from ..errors import InvalidDeclaration
from .project import app_of

LIBRARIES = ("aws_cdk", "boto3", "pip")
"""Libraries that a deployment needs in this environment, if the project has no CDK app of its own."""

MAKING = "Making the templates"
"""Printed before a synth, which takes seconds, and longer if it builds the layers of functions."""

STAGE = "PERSISTY_STAGE"

StageOption = Annotated[
    str | None, typer.Option(help="Stage; default: PERSISTY_STAGE, else that of cdk.json, else dev")
]
TargetOption = Annotated[
    str | None,
    typer.Option(help="Platform of the functions, such as x86_64-3.13; default: that of cdk.json, or arm64-3.13"),
]
ProfileOption = Annotated[str | None, typer.Option(help="AWS profile; default: that of the shell")]
ContextOption = Annotated[
    list[str] | None,
    typer.Option("--context", "-c", metavar="NAME=VALUE", help="Further context of the CDK; repeatable"),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Print the output of the CDK")]


def cdk_words(
    folder: Path,
    app: str | None,
    stage: str | None,
    target: str | None,
    context: list[str] | None,
) -> list[str]:
    """Return the CDK's arguments for these options. The app is left out if `cdk.json` names one. `InvalidDeclaration` if a library is missing."""
    declared = configuration(folder)
    words = app_words(declared)
    for name in LIBRARIES if words else ():
        if find_spec(name) is None:
            raise InvalidDeclaration(f"{name} is not installed: pip install 'persisty[deploy]'")
    within = declared.get("context")
    named = not words or (isinstance(within, dict) and "app" in within)
    known: dict[str, Any] = {
        "app": None if app is None and named else app_of(app),
        "stage": stage_of(stage, within),
        "target": target,
    }
    return [
        *words,
        *context_words(known),
        *(word for one in context or () for word in ("--context", one)),
    ]


def stage_of(given: str | None, declared: object = None) -> str | None:
    """Return the stage of the command line, else that of `PERSISTY_STAGE`, None for that of `cdk.json`. `declared`: the context of `cdk.json`. If it has
    another stage than the shell, say so."""
    if given is not None:
        return given
    stage = settings.present([STAGE]).get(STAGE)
    other = declared.get("stage") if isinstance(declared, Mapping) else None
    if stage is not None and other is not None and other != stage:
        typer.echo(f"Stage {stage}: {STAGE} of this shell replaces the stage {other} of cdk.json", err=True)
    return stage


def print_notes(console: Console, stacks: Iterable[StackShape]) -> None:
    """Print the settings that the deployment takes from this shell."""
    for note in dict.fromkeys(note for one in stacks for note in one.notes):
        console.print(f"[yellow]warning[/] {escape(note.text)}", soft_wrap=True)


def profile_words(profile: str | None) -> list[str]:
    """Return the option that names an AWS profile."""
    return [] if profile is None else ["--profile", profile]
