"""`persisty destroy`: delete the stacks of a deployment. Tables and secrets are retained; the next deployment adopts the tables."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ..deploy.assembly import stacks_of
from .cdk_options import MAKING, ContextOption, ProfileOption, StageOption, TargetOption, cdk_words, profile_words, run
from .project import AppArgument
from .terminal import plain_console


def command(
    app: AppArgument = None,
    stage: StageOption = None,
    target: TargetOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation")] = False,
    profile: ProfileOption = None,
    context: ContextOption = None,
) -> None:
    """Delete the stacks of a deployment. Its tables stay."""
    folder, console = Path.cwd(), plain_console()
    words = cdk_words(folder, app, stage, target, context)
    console.print(MAKING, style="dim")
    with TemporaryDirectory(prefix="persisty-destroy-") as temporary:
        run(folder, ["synth", "--quiet", "--no-staging", "--output", temporary, *words], quiet=True, checked=False)
        stacks = stacks_of(Path(temporary))
    names = ", ".join(one.name for one in stacks)
    if not yes and not typer.confirm(f"Delete {names}?"):
        raise typer.Exit(1)
    run(folder, ["destroy", "--all", "--force", *words, *profile_words(profile)], checked=False)
    tables = [table.name for one in stacks for table in one.tables]
    console.print(
        f"Deleted {names}. Retained unless the option `removal` is `destroy`: {', '.join(tables)}", soft_wrap=True
    )
