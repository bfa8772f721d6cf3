"""`persisty destroy`: delete the stacks of a deployment. Tables and secrets are retained; the next deployment adopts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from ..application import load_app
from ..deploy.assembly import StackShape, stacks_of
from ..deploy.deployed_tables import existing_stacks, remaining
from ..deploy.regions import Region, regions_of
from ..drivers import driver
from ..errors import PersistyError
from .cdk_options import (
    MAKING,
    ContextOption,
    ProfileOption,
    StageOption,
    TargetOption,
    VerboseOption,
    cdk_words,
    profile_words,
)
from .cdk_runs import CdkRuns
from .project import AppArgument
from .terminal import plain_console


def command(
    app: AppArgument = None,
    stage: StageOption = None,
    target: TargetOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation")] = False,
    verbose: VerboseOption = False,
    profile: ProfileOption = None,
    context: ContextOption = None,
) -> None:
    """Delete the stacks of a deployment. Its tables and secrets stay."""
    folder, console = Path.cwd(), plain_console()
    words = cdk_words(folder, app, stage, target, context)
    cdk = CdkRuns(folder, console, verbose=verbose)
    console.print(MAKING, style="dim")
    with TemporaryDirectory(prefix="persisty-destroy-") as temporary:
        cdk.synth(Path(temporary), words, checked=False, staged=False)
        stacks = stacks_of(Path(temporary))
        boto3 = driver("boto3")
        regions = [
            (one, boto3.Session(profile_name=profile, region_name=one.name))
            for one in regions_of(stacks, boto3.Session(profile_name=profile))
        ]
        found = [stack for region, session in regions for stack in existing_stacks(region.stacks, session)]
        if not found:
            console.print(f"Nothing to delete: no stack {_names(stacks, ' or ')} exists", soft_wrap=True)
        else:
            if not yes and not typer.confirm(f"Delete {_names(found)}?"):
                raise typer.Exit(1)
            ids = [one.id for one in found]
            cdk.change(["destroy", *ids, "--force", "--no-notices", "--app", temporary, *profile_words(profile)])
    _print_remaining(console, regions)


def _print_remaining(console: Console, regions: Sequence[tuple[Region, Any]]) -> None:
    """Print the tables and secrets that exist, in each region."""
    for region, session in regions:
        place = f" in {region.name}" if len(regions) > 1 else ""
        try:
            names = remaining(region.stacks, _apps(region.stacks), session)
        except PersistyError as error:  # the stacks are deleted all the same
            line = f"The tables and secrets that remain{place} cannot be listed: {error.message}"
        else:
            line = f"These tables and secrets remain{place}: {', '.join(names)}" if names else ""
        if line:
            console.print(line, markup=False, soft_wrap=True)


def _apps(stacks: Sequence[StackShape]) -> Iterator[tuple[str, str]]:
    """Yield the name of each deployed app, and its stage."""
    for placed in dict.fromkeys(app for one in stacks for app in one.apps):
        yield load_app(placed.spec).name, placed.stage


def _names(stacks: Sequence[StackShape], joined: str = ", ") -> str:
    return joined.join(one.name for one in stacks)
