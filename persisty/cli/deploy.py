"""`persisty deploy`: deploy an app to AWS from its own folder.

It synthesises the stacks with the CDK's command line and compares their tables with the existing ones. It rejects changes that lose data, and settings of
identity that come from the shell, unless they are allowed by name. Then it updates the stacks in waves, region after region, prints the URLs with the next
steps, and completes the indexes that may miss stored items. If only that fails, the exit code is 1, and the next run continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from ..deploy.assembly import StackShape, stacks_of
from ..deploy.regions import regions_of
from ..drivers import driver
from ..errors import Fault, InvalidDeclaration
from .cdk_options import (
    MAKING,
    ContextOption,
    ProfileOption,
    StageOption,
    TargetOption,
    VerboseOption,
    cdk_words,
    print_notes,
)
from .cdk_runs import CdkRuns
from .project import AppArgument
from .regional_deployment import RegionalDeployment
from .terminal import plain_console

HTTP_URL = "HttpUrl"
"""End of the name of an output that has the URL of an HTTP API."""
IDENTITY = "PERSISTY_TOKEN_"
"""Begin of the settings that decide whose tokens a deployment accepts."""
SHELL = "shell:"
"""Prefix of the value of `--allow` that takes a setting from the shell."""


def command(
    app: AppArgument = None,
    stage: StageOption = None,
    target: TargetOption = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CHANGE", help="A change that is refused, by the name in the error message; repeatable"),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the waves and deploy nothing")] = False,
    verbose: VerboseOption = False,
    profile: ProfileOption = None,
    context: ContextOption = None,
) -> None:
    """Deploy an app to AWS."""
    folder, console = Path.cwd(), plain_console()
    words = cdk_words(folder, app, stage, target, context)
    cdk = CdkRuns(folder, console, verbose=verbose)
    console.print(MAKING, style="dim")
    with TemporaryDirectory(prefix="persisty-deploy-") as temporary:
        assembly = Path(temporary, "cdk.out")
        cdk.synth(assembly, words)
        stacks = stacks_of(assembly)
        resources = sum(one.resources for one in stacks)
        console.print(
            f"{len(stacks)} stacks with {resources} resources: {', '.join(one.name for one in stacks)}", soft_wrap=True
        )
        print_notes(console, stacks)
        _check_identity(stacks, allow or [])
        regions = regions_of(stacks, driver("boto3").Session(profile_name=profile))
        deployments = [RegionalDeployment(one, words, assembly, Path(temporary), profile, cdk) for one in regions]
        _check_losses(deployments, allow or [])
        if plan:
            for one in deployments:
                for number, step in enumerate(one.steps, 1):
                    console.print(
                        f"{_place(one, deployments)}wave {number} of {len(one.steps)}: {step.what}", soft_wrap=True
                    )
            return
        for one in deployments:
            one.prepare()
        complete = [_deploy(one, _place(one, deployments), profile, console) for one in deployments]
        if not all(complete):
            raise typer.Exit(1)


def _deploy(deployment: RegionalDeployment, place: str, profile: str | None, console: Console) -> bool:
    """Deploy a region. Return False if some of its indexes are not completed."""
    outputs: dict[str, dict[str, str]] = {}
    for number, step in enumerate(deployment.steps, 1):
        if len(deployment.steps) > 1:
            console.print(f"[bold]{place}wave {number} of {len(deployment.steps)}[/]: {step.what}", soft_wrap=True)
        outputs |= deployment.update(step)  # the last one may update the tables alone
    _print_outputs(console, outputs)
    _print_next(console, outputs, deployment.secret_arns, profile)
    return deployment.complete(console)


def _place(one: RegionalDeployment, deployments: Sequence[RegionalDeployment]) -> str:
    """Return the beginning of a line about a region, empty if there is only one."""
    return f"{one.name}: " if len(deployments) > 1 else ""


def _check_identity(stacks: Iterable[StackShape], allowed: Sequence[str]) -> None:
    """Raise `InvalidDeclaration` for settings of identity from the shell that are not allowed by name."""
    notes = dict.fromkeys(note for one in stacks for note in one.notes if note.name.startswith(IDENTITY))
    refused = [note for note in notes if f"{SHELL}{note.name}" not in allowed]
    if refused:
        raise InvalidDeclaration(
            "This shell would decide whose tokens the deployment accepts: nothing was changed. Unset the variables, or declare them under `settings` of the stage "
            "in cdk.json",
            faults=[Fault(f"/{note.name}", note.text, f"--allow {SHELL}{note.name}") for note in refused],
        )


def _check_losses(deployments: Sequence[RegionalDeployment], allowed: Sequence[str]) -> None:
    """Raise `InvalidDeclaration` for changes that lose data and are not allowed by name."""
    faults = list(_faults(deployments, allowed))
    if faults:
        raise InvalidDeclaration("The deployment would lose data: nothing was changed", faults=faults)


def _faults(deployments: Sequence[RegionalDeployment], allowed: Sequence[str]) -> Iterator[Fault]:
    for one in deployments:
        region = f"/{one.name}" if len(deployments) > 1 else ""
        for loss in one.losses:
            if loss.name is None or loss.name not in allowed:
                expected = None if loss.name is None else f"--allow {loss.name}"
                yield Fault(f"{region}{loss.path}", loss.message, expected)


def _print_outputs(console: Console, outputs: Mapping[str, Mapping[str, str]]) -> None:
    """Print the outputs of each stack."""
    for stack in outputs.values():
        for name, value in stack.items():
            console.print(f"{name}: {value}", soft_wrap=True, markup=False)


def _print_next(
    console: Console, outputs: Mapping[str, Mapping[str, str]], secrets: Iterable[str], profile: str | None
) -> None:
    """Print what to do with the deployment: where its API is described, and the command that prints a token for a caller."""
    for url in (value for stack in outputs.values() for name, value in stack.items() if name.endswith(HTTP_URL)):
        console.print(f"Next: open {url}/openapi.json", soft_wrap=True, markup=False)
    variables = "" if profile is None else f"AWS_PROFILE={profile} "
    for arn in secrets:
        command = f"{variables}PERSISTY_TOKEN_SECRET_ARN={arn} persisty token --subject ann"
        console.print(f"A token for a caller: {command}", soft_wrap=True, markup=False)
