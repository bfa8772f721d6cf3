"""`persisty diff`: print the changes that stored items need to fit the declarations. Changes nothing.

With `--deployed`, print the changes that a deployment would make to the tables on AWS.

Exit code 0: `persisty migrate`, or `persisty deploy`, would make the changes; destructive ones must be allowed by name. 1: it would reject a change. 2: the
call is invalid.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ..application import App, load_app
from ..deploy.assembly import stacks_of
from ..deploy.deployed_changes import deployed_changes
from ..deploy.deployed_tables import read_deployed
from ..deploy.evolution import Stored, evolutions_of, unrecorded_stores
from ..deploy.migration import refused_changes
from ..deploy.regions import regions_of
from ..deploy.revision_files import FOLDER, Revision, has_revisions, revisions_in
from ..deploy.revisions import pending
from ..drivers import driver
from ..errors import Fault, InvalidDeclaration
from ..model.schema_changes import Change, Effect
from ..store.engine_urls import read_url
from .cdk_options import ContextOption, ProfileOption, TargetOption, cdk_words
from .cdk_runs import CdkRuns
from .project import AppArgument, app_of
from .tables import print_table
from .terminal import plain_console

STYLES = {Effect.SAFE: "green", Effect.SLOW: "yellow", Effect.WAVES: "yellow", Effect.DESTRUCTIVE: "bold red"}

UNRECORDED = (
    "Only indexes are compared, because no declaration is recorded yet: {}. New attributes and other types are not listed. "
    "Run `persisty migrate` once with the code that is deployed"
)


def command(
    app: AppArgument = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object for each change")] = False,
    deployed: Annotated[bool, typer.Option("--deployed", help="Compare with the tables on AWS")] = False,
    stage: Annotated[
        str | None,
        typer.Option(help="Stage; default: PERSISTY_STAGE, else with --deployed that of cdk.json, else the app's"),
    ] = None,
    target: TargetOption = None,
    profile: ProfileOption = None,
    context: ContextOption = None,
    folder: Annotated[Path, typer.Option(help="Folder of the revision files")] = Path(FOLDER),
) -> None:
    """Print the changes that stored items need to fit the declarations."""
    waiting, unrecorded = list[Revision](), list[str]()
    _check_options({"--target": target, "--profile": profile, "--context": context}, {"--url": url}, deployed=deployed)
    if deployed:
        changes, refused = _deployed(cdk_words(Path.cwd(), app, stage, target, context), profile)
        unchanged = "Nothing to change: the deployed tables fit the declarations"
    else:
        loaded, _ = load(app, url, stage, reading=True)
        stored = Stored(loaded)
        evolutions = evolutions_of(loaded, stored=stored)
        changes = [change for evolution in evolutions for change in evolution.changes]
        refused = {change: why for one in evolutions for change, why in refused_changes(loaded, one).items()}
        waiting = pending(loaded, revisions_in(folder))
        unrecorded = unrecorded_stores(loaded, stored)
        unchanged = f"Nothing to change: the items stored in {loaded.url} fit the declarations"
    if json:
        rows = [as_json(one, refused.get(one)) for one in changes]
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
    elif changes:
        print_table(table(changes, refused, files=not deployed and has_revisions(folder)))
    else:
        typer.echo(unchanged)
    if unrecorded and not json:
        typer.echo(UNRECORDED.format(", ".join(unrecorded)))
    if waiting and not json:
        names = ", ".join(one.name for one in waiting)
        typer.echo(f"Revision files that were not run: {names}. `persisty migrate` runs them")
    if refused:
        raise typer.Exit(1)


def _check_options(aws: Mapping[str, object], opened: Mapping[str, object], *, deployed: bool) -> None:
    """Raise `InvalidDeclaration` for an option that would have no effect. `aws`: options that need `--deployed`; `opened`: those that it replaces."""
    faults = [
        Fault("", f"{option} has no effect {'with' if deployed else 'without'} --deployed")
        for option, value in (opened if deployed else aws).items()
        if value is not None
    ]
    if faults:
        raise InvalidDeclaration("The call is not valid", faults=faults)


def _deployed(words: list[str], profile: str | None) -> tuple[list[Change], dict[Change, str]]:
    """Return the changes of the tables on AWS, and why some are refused. `words`: the arguments of the CDK."""
    with TemporaryDirectory(prefix="persisty-diff-") as assembly:
        CdkRuns(Path.cwd(), plain_console()).synth(Path(assembly), words, checked=False, staged=False)
        stacks = stacks_of(Path(assembly))
    boto3 = driver("boto3")
    changes, refused = list[Change](), dict[Change, str]()
    for region in regions_of(stacks, boto3.Session(profile_name=profile)):
        deployed = read_deployed(region.stacks, boto3.Session(profile_name=profile, region_name=region.name))
        declared = {table.name: table for one in region.stacks for table in one.tables}
        found, reasons = deployed_changes(declared, deployed.tables, deployed.stacked)
        changes += [one for one in found if one not in changes]  # regions have the same changes, as a rule
        refused |= reasons
    return changes, refused


IN_MEMORY = "sqlite://"


def load(app: str | None, url: str | None, stage: str | None = None, *, reading: bool = False) -> tuple[App, str]:
    """Return the app of the argument or the settings, and its name as `module:attribute`. `url`, `stage`: instead of the app's.

    `reading`: the command changes nothing, so a SQLite file that does not exist is not created. The app then has an empty database in memory.
    """
    spec = app_of(app)
    loaded = load_app(spec)
    if stage is not None:
        loaded.stage = stage
    if url:
        loaded.use(url)
    if reading and not loaded.engine_urls and _is_missing(loaded.url):
        loaded.use(IN_MEMORY)
    return loaded, spec


def _is_missing(url: str) -> bool:
    """Return whether a URL names a SQLite file that does not exist. One with `mode=rw` is refused when it is opened."""
    if not url.startswith(IN_MEMORY):
        return False
    parts = read_url(url, options=("mode", "synchronous"), path="sqlite:///relative.db")
    return parts.options.get("mode") != "rw" and parts.path != "" and not Path(parts.path).exists()


def as_json(change: Change, refused: str | None) -> dict[str, Any]:
    """Return a change as JSON values, with its path. `refused`: the reason if it is refused, None otherwise. The effect of a refused change is `refused`."""
    found: dict[str, Any] = msgspec.to_builtins(change)
    effect = change.effect.value if refused is None else "refused"
    return {"path": change.path, **found, "effect": effect, "refused": refused}


def table(changes: Iterable[Change], refused: Mapping[Change, str], *, files: bool = False) -> Table:
    """Return the changes as a table for a terminal. `refused`: changes that are refused, and why. `files`: revision files make the changes."""
    shown = Table(box=None, pad_edge=False)
    for title in ("change", "effect", ""):
        shown.add_column(title, overflow="fold")
    for one in changes:
        allow = f"--allow {one.allow}"
        named = f'--revision "why" {allow}' if files else allow
        why = f" ({named})" if one.allow else ""
        if one in refused:  # the reason already names what may be allowed
            why = f". {refused[one].replace(allow, named)}"
        effect = "[bold red]refused[/]" if one in refused else f"[{STYLES[one.effect]}]{one.effect.value}[/]"
        shown.add_row(escape(one.path), effect, escape(f"{one.message}{why}"))
    return shown
