"""`persisty deploy`: deploy an app to AWS from its own folder.

It synthesises the stacks with the CDK's command line and compares their tables with the existing ones. It rejects changes that lose data unless
they are allowed by name. Then it updates the stacks in waves, prints the URLs with the next steps, and completes the indexes that may miss stored items. If only that fails, the
exit code is 1, and the next run continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from ..application import App, load_app
from ..deploy.assembly import PlacedApp, StackShape, stacks_of
from ..deploy.cdk_cli import context_words
from ..deploy.deployed_tables import Deployed, read_deployed, secret_arns
from ..deploy.evolution import check_places
from ..deploy.index_completion import complete_indexes, doubt_indexes, has_defaulted_indexes
from ..deploy.token_secret import RETAINED
from ..deploy.waves import CONTEXT, Loss, Wave, losses, waves
from ..drivers import driver
from ..errors import Fault, InvalidDeclaration, PersistyError
from .cdk_options import MAKING, ContextOption, ProfileOption, StageOption, TargetOption, cdk_words, profile_words, run
from .project import AppArgument
from .step_progress import step_progress
from .terminal import plain_console

OUTPUTS = "outputs.json"
HTTP_URL = "HttpUrl"
"""End of the name of an output that has the URL of an HTTP API."""


def command(
    app: AppArgument = None,
    stage: StageOption = None,
    target: TargetOption = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CHANGE", help="A change that loses data, by the name in the error message; repeatable"),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the waves and deploy nothing")] = False,
    profile: ProfileOption = None,
    context: ContextOption = None,
) -> None:
    """Deploy an app to AWS."""
    folder, console = Path.cwd(), plain_console()
    words = cdk_words(folder, app, stage, target, context)
    console.print(MAKING, style="dim")
    with TemporaryDirectory(prefix="persisty-deploy-") as temporary:
        assembly, file = Path(temporary, "cdk.out"), Path(temporary, OUTPUTS)
        run(folder, ["synth", "--quiet", "--output", str(assembly), *words], quiet=True)
        stacks = stacks_of(assembly)
        resources = sum(one.resources for one in stacks)
        console.print(
            f"{len(stacks)} stacks with {resources} resources: {', '.join(one.name for one in stacks)}", soft_wrap=True
        )
        session = driver("boto3").Session(profile_name=profile)
        deployed = read_deployed(stacks, session)
        if deployed.secrets:
            words += context_words({RETAINED: ",".join(deployed.secrets)})
            run(folder, ["synth", "--quiet", "--output", str(assembly), *words], quiet=True, checked=False)
        declared = {table.name: table for one in stacks for table in one.tables}
        _refuse(list(losses(declared, deployed.tables, deployed.stacked)), allow or [])
        steps = waves(declared, deployed.tables)
        if plan:
            for number, step in enumerate(steps, 1):
                console.print(f"wave {number} of {len(steps)}: {step.what}", soft_wrap=True)
            return
        apps = dict.fromkeys(app for one in stacks for app in one.apps)
        if deployed.tables:
            for one in apps:
                with _opened(one, profile) as placed_app:
                    check_places(placed_app)
                    doubt_indexes(placed_app)
        outputs: dict[str, dict[str, str]] = {}
        for number, step in enumerate(steps, 1):
            if len(steps) > 1:
                console.print(f"[bold]wave {number} of {len(steps)}[/]: {step.what}", soft_wrap=True)
            placed = (
                ["--app", str(assembly)] if not step.indexes else [*words, "--output", str(Path(temporary, "wave"))]
            )
            arguments = [*_deploy_words(step, stacks, deployed, file), *placed, *profile_words(profile)]
            run(folder, arguments, checked=False)  # the first synth was
            # each wave writes the file again, and the last one may update the tables alone
            outputs |= msgspec.json.decode(file.read_bytes()) if file.is_file() else {}
        _print_outputs(console, outputs)
        _print_next(console, outputs, secret_arns(stacks, session), profile)
        complete = [_complete(one, profile, console) for one in apps]
        if not all(complete):
            raise typer.Exit(1)


@contextmanager
def _opened(placed: PlacedApp, profile: str | None) -> Iterator[App]:
    """Open a deployed app on the tables of its stage."""
    app = load_app(placed.spec)
    boto3 = driver("boto3")
    boto3.setup_default_session(profile_name=profile)
    app.stage = placed.stage
    app.use(f"dynamodb://{boto3.DEFAULT_SESSION.region_name}?transport=boto3")
    try:
        yield app
    finally:
        app.close()


def _complete(placed: PlacedApp, profile: str | None, console: Console) -> bool:
    """Complete the indexes of a deployed app. Return False if a part is left to do, after printing why."""
    if not has_defaulted_indexes(load_app(placed.spec)):
        return True
    with _opened(placed, profile) as app:
        try:
            with step_progress([]) as progress:
                left = list(complete_indexes(app, progress))
        except PersistyError as error:
            left = [
                f"Deployed, but its indexes are not completed: {error}",
                "Queries do not use them until `persisty deploy` or `persisty migrate` has completed them",
            ]
    for line in left:
        console.print(f"{app.name}: {line}", soft_wrap=True, markup=False)
    return not left


def _deploy_words(step: Wave, stacks: tuple[StackShape, ...], deployed: Deployed, outputs: Path) -> list[str]:
    """Return the arguments of one update: of only the stacks with tables, or of all stacks."""
    chosen = [one.id for one in stacks if one.tables] if step.data_only else [one.id for one in stacks]
    indexes = {name: list(some) for name, some in step.indexes.items()}
    adopted = any(name in deployed.tables and name not in deployed.stacked for one in stacks for name in _tables(one))
    return [
        "deploy", *chosen, *(["--exclusively"] if step.data_only else []),
        "--require-approval", "never", "--no-notices", "--outputs-file", str(outputs),
        *(["--import-existing-resources"] if adopted else []),
        *(context_words({CONTEXT: msgspec.json.encode(indexes).decode()}) if indexes else []),
    ]  # fmt: skip


def _tables(stack: StackShape) -> list[str]:
    return [table.name for table in stack.tables]


def _refuse(found: list[Loss], allowed: list[str]) -> None:
    """Raise `InvalidDeclaration` for changes that lose data and are not allowed by name."""
    refused = [one for one in found if one.name is None or one.name not in allowed]
    if refused:
        faults = [Fault(one.path, one.message, None if one.name is None else f"--allow {one.name}") for one in refused]
        raise InvalidDeclaration("The deployment would lose data: nothing was changed", faults=faults)


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
