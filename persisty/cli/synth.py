"""`persisty synth`: write the templates of a deployment, and deploy nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..deploy.assembly import stacks_of
from .cdk_options import MAKING, ContextOption, StageOption, TargetOption, VerboseOption, cdk_words, print_notes
from .cdk_runs import CdkRuns
from .project import AppArgument
from .terminal import plain_console


def command(
    app: AppArgument = None,
    stage: StageOption = None,
    target: TargetOption = None,
    output: Annotated[Path, typer.Option(help="Folder to write to")] = Path("cdk.out"),
    verbose: VerboseOption = False,
    context: ContextOption = None,
) -> None:
    """Write the templates of a deployment, and deploy nothing."""
    folder, console = Path.cwd(), plain_console()
    words = cdk_words(folder, app, stage, target, context)
    console.print(MAKING, style="dim")
    CdkRuns(folder, console, verbose=verbose).synth(output, words)
    stacks = stacks_of(output)
    print_notes(console, stacks)
    for one in stacks:
        console.print(f"{one.name}: {one.resources} resources, {len(one.tables)} tables", soft_wrap=True)
