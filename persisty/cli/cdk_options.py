"""Options of the commands that run the CDK: deploy, synth and destroy. Each is converted to arguments of the CDK's command line."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ..deploy.cdk_cli import app_words, configuration, context_words, run_cdk
from ..errors import InvalidDeclaration
from .project import app_of

LIBRARIES = ("aws_cdk", "boto3", "pip")
"""Libraries that a deployment needs in this environment, if the project has no CDK app of its own."""

MAKING = "Making the templates"
"""Printed before a synth, which takes seconds, and longer if it builds the layers of functions."""

StageOption = Annotated[str | None, typer.Option(help="Stage; default: that of cdk.json, or dev")]
TargetOption = Annotated[
    str | None,
    typer.Option(help="Platform of the functions, such as x86_64-3.13; default: that of cdk.json, or arm64-3.13"),
]
ProfileOption = Annotated[str | None, typer.Option(help="AWS profile; default: that of the shell")]
ContextOption = Annotated[
    list[str] | None,
    typer.Option("--context", "-c", metavar="NAME=VALUE", help="Further context of the CDK; repeatable"),
]


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
    known: dict[str, Any] = {"app": None if app is None and named else app_of(app), "stage": stage, "target": target}
    return [
        *words,
        *context_words(known),
        *(word for one in context or () for word in ("--context", one)),
    ]


def profile_words(profile: str | None) -> list[str]:
    """Return the option that names an AWS profile."""
    return [] if profile is None else ["--profile", profile]


def run(folder: Path, words: list[str], *, quiet: bool = False, checked: bool = True) -> None:
    """Run the CDK. If it fails, exit with its code; it has already printed its message. `checked`: the CDK checks the templates of a synth."""
    code = run_cdk(folder, words, quiet=quiet, checked=checked)
    if code:
        raise typer.Exit(code)
