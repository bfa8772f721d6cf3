"""`persisty check`: print every mistake and warning of an app in one go.

The exit code is 0 without findings, 1 if there are only warnings and `--strict` is given, and 2 for a mistake.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec.structs import replace
from rich.markup import escape

from .. import settings
from ..application import load_app
from ..deploy.app_checks import Checked, Finding, faults_of, findings
from ..deploy.deployed_settings import Deployed, deployed_settings
from ..deploy.revision_files import FOLDER, check_heads, revisions_in
from ..errors import Fault, InvalidDeclaration, PersistyError
from ..model.stored import collecting_faults
from .main import USAGE
from .own_errors import fault_of
from .project import AppArgument, app_of
from .terminal import plain_console

STYLES = {"mistake": "bold red", "warning": "yellow"}
CDK = Path("cdk.json")


def command(
    app: AppArgument = None,
    stage: Annotated[str | None, typer.Option(help="Stage to check; default: the app's")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if there are warnings")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON")] = False,
) -> None:
    """Print every mistake and warning of an app in one go."""
    configured = settings.load()
    spec = app_of(app)
    found = _found(spec, stage, configured, listed=json)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    else:
        _print(spec, found)
    mistakes = any(one.severity == "mistake" for one in found)
    raise typer.Exit(USAGE if mistakes else int(strict and bool(found)))


def _found(spec: str, stage: str | None, configured: settings.Settings, *, listed: bool) -> list[Finding]:
    """Return the findings. If an item cannot be declared, only such findings are returned, because the app cannot be loaded. `listed`: an error that the
    module raises is a finding too."""
    with collecting_faults() as undeclared:
        try:
            loaded = load_app(spec)
        except PersistyError as error:
            if not undeclared:
                return [Finding("declaration", "mistake", fault) for fault in faults_of(error)]
        except Exception as error:
            if not undeclared:  # otherwise the module uses an item that could not be declared
                if (fault := fault_of(error) if listed else None) is None:
                    raise
                return [Finding("declaration", "mistake", fault)]
    if undeclared:
        faults = [replace(one, path=f"/{item}{one.path}") for item, error in undeclared for one in faults_of(error)]
        return [Finding("declaration", "mistake", fault) for fault in faults]
    if stage is not None:
        loaded.stage = stage
    try:
        deployed = deployed_settings(loaded.name, loaded.stage, _declared_settings())
    except PersistyError as error:
        deployed = Deployed(configured, {})
        wrong = [Finding("deployment", "mistake", fault) for fault in faults_of(error)]
    else:
        wrong = []
    return [*wrong, *_revisions(), *findings(Checked(loaded, spec, configured, deployed, deploys=CDK.exists()))]


def _revisions() -> list[Finding]:
    """Return the mistake of revision files of this folder: a file that is not one, or files of several branches that no file joins."""
    try:
        check_heads(revisions_in(Path(FOLDER)))
    except InvalidDeclaration as error:
        return [Finding("revisions", "mistake", Fault(f"/{FOLDER}", error.message))]
    return []


def _declared_settings() -> Any:
    """Return the settings that the `cdk.json` of this folder declares, None without one."""
    try:
        return msgspec.json.decode(CDK.read_bytes()).get("context", {}).get("settings")
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, AttributeError) as error:
        raise InvalidDeclaration(f"{CDK} is not a JSON object of the CDK: {error}") from error


def _print(spec: str, found: list[Finding]) -> None:
    console = plain_console()
    for one in found:
        fault = one.fault
        console.print(f"[{STYLES[one.severity]}]{one.severity}[/] {escape(str(fault))}", soft_wrap=True)
    mistakes = sum(one.severity == "mistake" for one in found)
    console.print(f"{spec}: {_count(mistakes, 'mistake')}, {_count(len(found) - mistakes, 'warning')}", soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
