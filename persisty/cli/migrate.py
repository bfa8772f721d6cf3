"""`persisty migrate`: change stored items so that they fit the declarations, or print the steps that would do so.

If the folder `migrations` has files, it runs those that were not run yet, in order. Exit code 0: all items fit. 1: a change would make a stored item
unreadable, a new file needs that the others are run first, another migration runs, or the engine failed. 2: the call is invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from ..application import App
from ..deploy.evolution import evolutions_of
from ..deploy.migration import UNCHANGED, Migration, Planned, Progress, is_named, is_repairable, refused_changes
from ..deploy.revision_files import FOLDER, REPLACED, Revision, after_number, check_heads, revisions_in
from ..deploy.revision_history import history as entries_of
from ..deploy.revision_history import unfinished
from ..deploy.revision_joining import write_merge, write_squash
from ..deploy.revision_plan import has_code, in_no_file, plan_of_files
from ..deploy.revision_writing import REPAIR, write_data_revision, write_revision
from ..deploy.revisions import check_none_pending, create_unnamed, created_before, downgrade, pending, upgrade
from ..errors import Fault, InvalidDeclaration, PersistyError, SchemaMismatch
from ..model.schema_changes import Change
from ..store.migration import Evolution
from .diff import load, table
from .project import AppArgument
from .step_progress import step_progress
from .tables import print_table

WRITE = 'Write one: persisty migrate --revision "why"'
NOT_SURVIVED = "Stored items do not survive them, so no file can be written yet"
ALLOWED_IN_A_FILE = 'persisty migrate --revision "why" --allow {}'
"""The way to make a destructive change where revision files make the changes."""


def command(
    app: AppArgument = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the steps and their statements, and change nothing")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="drop:ITEM.ATTRIBUTE", help="A destructive change to make, as `persisty diff` names it"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="WHY", help="Write the changes as a revision file, and change nothing")
    ] = None,
    history: Annotated[
        bool,
        typer.Option("--history", help="Print which revision files were run and which were not, and change nothing"),
    ] = False,
    data: Annotated[
        bool, typer.Option("--data", help="With --revision: write a file without changes, for code that repairs values")
    ] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Write a revision file that joins the files of several branches")
    ] = False,
    squash: Annotated[
        bool, typer.Option("--squash", help="Replace all revision files by one, for databases that are created anew")
    ] = False,
    back_to: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Undo the revision files after this one; 0 undoes all")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1, metavar="ITEMS", help="Items per second that a backfill does at most. Default: no limit"),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="Stage of the tables on DynamoDB; default: PERSISTY_STAGE, else the app's")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Folder of the revision files")] = Path(FOLDER),
) -> None:
    """Change what is stored until it fits the declarations."""
    if data and (revision is None or allow):
        raise typer.BadParameter("Give --data together with --revision, and without --allow", param_hint="--data")
    _check_one(
        {
            "--plan": plan,
            "--revision": revision is not None,
            "--history": history,
            "--merge": merge,
            "--squash": squash,
            "--back-to": back_to is not None,
        }
    )
    loaded, _ = load(app, url, stage, reading=plan or history or merge or squash or revision is not None)
    files, allowed = revisions_in(folder), allow or []
    if merge:
        _write_merge(files, folder)
        return
    if not history:
        check_heads(files)
    if squash:
        _write_squash(files, folder)
    elif revision is not None:
        check_none_pending(loaded, files)
        _write_file(loaded, revision, allowed, folder, data=data)
    elif history:
        _print_history(loaded, files)
    elif plan:
        waiting = pending(loaded, files) if files else []
        if waiting:
            _print_files(loaded, waiting)
        else:
            migration = Migration(loaded, allowed)
            _print_plan(_repairable(migration, migration.plan), files=bool(files))
    elif back_to is not None:
        _undo(loaded, after_number(files, back_to), allowed, rate)
    elif files:
        _run_files(loaded, files, allowed, rate)
    else:
        migration = Migration(loaded, allowed, rate=rate)
        planned = _repairable(migration, lambda: _watched(migration.apply))
        if migration.unfinished is not None:
            typer.echo(f"Continued a migration that had failed: {migration.unfinished}")
        _print_left(planned)
        new = [one.evolution.declared for one in planned if one.evolution.stored is None and not one.steps]
        if created := [one.name for one in new if one is not None]:
            typer.echo(f"Created: {', '.join(created)}")
        steps = sum(len(one.steps) for one in planned)
        copied = [one.evolution.declared.name for one in planned if one.waits and one.evolution.declared is not None]
        if copied:
            typer.echo(f"Copied, and not in use before the switch: {', '.join(copied)}. Steps done: {steps}")
        else:
            fits = f"{loaded.name} fits its declarations" + (f": steps done: {steps}" if steps else "")
            typer.echo(fits if steps or created else "Nothing to do")


def _check_one(given: Mapping[str, bool]) -> None:
    """Raise `InvalidDeclaration` if more than one of the options is given: each of them asks for another operation."""
    options = [option for option, is_given in given.items() if is_given]
    if len(options) > 1:
        raise InvalidDeclaration(
            f"Give only one of {' and '.join(options)}. Nothing is changed, and no file is written"
        )


def _write_file(app: App, why: str, allowed: Sequence[str], folder: Path, *, data: bool) -> None:
    """Write a revision file and print its path, or why there is none. `data`: a file without changes, for code that repairs values."""
    path = write_data_revision(app, why, folder) if data else write_revision(app, why, allowed, folder)
    if path is None and data:
        typer.echo(f"No file is written: {app.url} has no items of {app.name} to repair. Run `persisty migrate` first")
    elif path is None:
        typer.echo("Nothing to change. To write a file for code that repairs values, add --data")
    else:
        first = "Write the code into it" if data else "Review it"
        typer.echo(f"Wrote {path}. {first}, then run `persisty migrate`")


def _write_merge(files: Sequence[Revision], folder: Path) -> None:
    path = write_merge(files, folder)
    if path is None:
        typer.echo("Nothing to join: the revision files have one last file")
    else:
        typer.echo(f"Wrote {path}. Review it, then run `persisty migrate`")


def _write_squash(files: Sequence[Revision], folder: Path) -> None:
    """Replace all files by one. Name those with code, because an empty database does not run it any more."""
    if len(files) < 2:
        typer.echo("Nothing to squash: there are no two revision files")
        return
    path = write_squash(files, folder)
    typer.echo(f"Wrote {path}. It replaces {len(files)} files, which are in {folder / REPLACED}")
    if coded := [one.name for one in files if has_code(one)]:
        names = ", ".join(coded)
        typer.echo(
            f"These files have code. If an empty database needs the items that it creates, copy it to {path}: {names}"
        )


def _run_files(app: App, files: Sequence[Revision], allowed: Sequence[str], rate: float | None) -> None:
    """Run the pending files. Raises `SchemaMismatch` if changes remain that no file contains, because they were not reviewed."""
    if allowed:
        write = ALLOWED_IN_A_FILE.format(" --allow ".join(allowed))
        raise InvalidDeclaration(f"Destructive changes are in `ALLOWED` of the revision files. Write one: {write}")
    create_unnamed(app, files)
    for one in pending(app, files):
        _print_left(_watched(partial(upgrade, app, one, rate=rate)), files=True)
        typer.echo(f"Done: {one.path}")
    evolutions = evolutions_of(app)
    changes = [change for each in evolutions for change in each.changes if not is_named(change)]
    if changes:
        refused = _refused(app, evolutions)
        faults = [
            Fault(one.path, f"{one.message}. {refused[one]}" if one in refused else one.message) for one in changes
        ]
        remedy = _remedy(app, evolutions, changes, refused.keys())
        raise SchemaMismatch(f"Changes are in no revision file. {remedy}", faults=faults)
    app.prepare()
    typer.echo(f"{app.name} fits its declarations")


def _undo(app: App, later: Sequence[Revision], allowed: Sequence[str], rate: float | None) -> None:
    """Undo those of the files that were run, the last first."""
    waiting = {one.name for one in pending(app, later)}
    done = [one for one in reversed(later) if one.name not in waiting]
    for one in done:
        _print_left(_watched(partial(downgrade, app, one, allowed, rate=rate)), files=True)
        typer.echo(f"Undone: {one.path}")
    if not done:
        typer.echo("Nothing to undo")


def _remedy(app: App, evolutions: Sequence[Evolution], changes: Collection[Change], refused: Collection[Change]) -> str:
    """Return what to do about changes that are in no revision file. `refused`: those that stored items do not survive."""
    found = [(each, one) for each in evolutions for one in each.changes if one in refused and one in changes]
    if any(is_repairable(app, each, one) for each, one in found):
        return REPAIR
    return NOT_SURVIVED if found else WRITE


def _refused(app: App, evolutions: Sequence[Evolution]) -> dict[Change, str]:
    """Return the changes that stored items do not survive, and why."""
    return {change: why for one in evolutions for change, why in refused_changes(app, one).items()}


def _repairable(migration: Migration, plan: Callable[[], list[Planned]]) -> list[Planned]:
    """Plan or migrate. The error for stored items that do not survive a change says how to repair them, if that is possible."""
    try:
        return plan()
    except SchemaMismatch as error:
        if error.message != UNCHANGED or not migration.repairable:
            raise
        raise SchemaMismatch(f"{error.message}. {REPAIR}", faults=error.faults) from error


def _watched(migrate: Callable[[Progress], list[Planned]]) -> list[Planned]:
    """Migrate with a progress bar, or a line for each step. If the migration fails, print its last step."""
    done: list[str] = []
    try:
        with step_progress(done) as progress:
            return migrate(progress)
    except PersistyError:
        if done:
            typer.echo(f"Stopped at: {done[-1]}. Run the command again to continue", err=True)
        raise


def _print_history(app: App, files: Sequence[Revision]) -> None:
    """Print a line for each revision, and the error of a migration that has not finished."""
    entries = entries_of(app, files)
    folder = next((one.replaced_folder for one in files), REPLACED)
    width = max((len(one.name) for one in entries), default=0)
    for one in entries:
        state = "not run" if one.applied_at is None else f"run {one.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        place = f", and its file is in {folder}" if one.is_replaced else ""
        typer.echo(f"{one.name:{width}}  {state}{', and its file is missing' if one.is_missing else place}")
    if not entries:
        typer.echo("No revision files")
    if (error := unfinished(app)) is not None:
        typer.echo(f"The last migration stopped: {error}. Run `persisty migrate` to continue")


def _print_plan(planned: Sequence[Planned], *, files: bool) -> None:
    """Print the changes, and for each step its statements and the number of items. `files`: revision files make the changes."""
    changes = [change for one in planned for change in one.evolution.changes]
    if not changes:
        typer.echo("Nothing to change")
        return
    print_table(table(changes, {}, files=files))
    _print_steps(planned)
    _print_left(planned, files=files)


def _print_files(app: App, waiting: Sequence[Revision]) -> None:
    """Print the changes and the steps of each file, and the changes that are in no file."""
    unnamed = created_before(app, waiting)
    if unnamed:
        typer.echo(f"Created first, because the database is empty and no file names them: {', '.join(unnamed)}")
    for one in plan_of_files(app, waiting):
        if unnamed or one.revision is not waiting[0]:
            typer.echo()
        typer.echo(f"Revision to run: {one.revision.path}")
        if one.is_replacement:
            typer.echo("Only recorded, because the database has run the files that it replaces")
        elif one.changes:
            print_table(table([replace(change, allow=None) for change in one.changes], {}))
        else:
            typer.echo("No changes: only its code runs")
        if one.planned is None and one.changes:
            typer.echo("Its steps are planned when it runs, because they depend on the files before it")
        elif one.changes and one.revision is not waiting[0]:
            typer.echo("Planned for the tables after the files before it. Stored items are checked when it runs")
        if one.after and any(step.items is not None for each in one.planned or () for step in each.steps):
            names = ", ".join(file.name for file in one.after)
            typer.echo(f"The numbers of items are those before the code of {names}, which may write items")
        _print_steps(one.planned or ())
        for change in one.left:
            typer.echo(f"Left: {change.message}. To make this change: ALLOWED = [{change.allow!r}]")
    if missing := in_no_file(app, waiting):
        evolutions = evolutions_of(app)
        refused = _refused(app, evolutions)
        remedy = _remedy(app, evolutions, missing, refused.keys())
        typer.echo(f"\nIn no revision file. Run `persisty migrate` for the files above. {remedy}")
        print_table(table(missing, refused))


def _print_steps(planned: Sequence[Planned]) -> None:
    """Print each step with its statements and the number of items."""
    for one in planned:
        for step in one.steps:
            items = "" if step.items is None else f" ({step.items:,} item{'' if step.items == 1 else 's'})"
            typer.echo(f"\n-- {step.title}{items}")
            for statement in step.statements:
                typer.echo(f"{statement};")


def _print_left(planned: Sequence[Planned], *, files: bool = False) -> None:
    """Print the destructive changes that were not made. `files`: only a revision file makes them."""
    for one in planned:
        for change in one.left:
            option = ALLOWED_IN_A_FILE.format(change.allow) if files else f"--allow {change.allow}"
            typer.echo(f"Left: {change.message}. To make this change: {option}")
