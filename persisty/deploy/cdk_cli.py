"""Run the CDK's command line from a project's folder: the project's own, the one on the path, or the pinned one of npm.

The pinned version is one that persisty is tested with. npm's `latest` of the package is older.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from .. import settings
from ..errors import InvalidDeclaration

VERSION = "2.1148.1"
OWN = Path("node_modules/.bin/cdk")
CONFIGURATION = "cdk.json"
APP = "persisty_cdk"
"""The module that synthesises the app of a project without its own CDK app."""
APPS = (f"python3 -m {APP}", f"python -m {APP}")
"""Values of `app` in `cdk.json` that mean that module. It runs in the Python of the command."""
SILENT = {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "NODE_NO_WARNINGS": "1", "CDK_DISABLE_CLI_TELEMETRY": "1",
}  # fmt: skip
"""Variables of the CDK: no banner and no warning about Node 20, which works, and no telemetry."""
UNCHECKED = {"CDK_VALIDATION": "false"}
"""Variables of a synth without the CDK's own check of the templates, which takes longer than the rest of a synth. For templates that are not deployed to AWS,
or that were checked before."""


def cdk_command(folder: Path) -> list[str]:
    """Return the command that runs the CDK's command line. `InvalidDeclaration` if the machine has neither it nor Node."""
    if (folder / OWN).is_file():
        return [str(folder / OWN)]
    for program, words in (("cdk", []), ("npx", ["--yes", f"aws-cdk@{VERSION}"])):
        if (found := shutil.which(program)) is not None:
            return [found, *words]
    raise InvalidDeclaration(
        "A deployment needs Node 20 or later, for the CDK's command line: neither cdk nor npx is installed"
    )


def app_words(declared: Mapping[str, object]) -> list[str]:
    """Return the option that names the CDK app, empty if `cdk.json` names one of the project."""
    return ["--app", f'"{sys.executable}" -m {APP}'] if declared.get("app", APPS[0]) in APPS else []


def configuration(folder: Path, name: str = CONFIGURATION) -> dict[str, object]:
    """Return the content of `cdk.json`, or of another file, empty without one. `InvalidDeclaration` if it is not a JSON object."""
    try:
        found = msgspec.json.decode((folder / name).read_bytes())
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise InvalidDeclaration(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidDeclaration(f"{name} is not a JSON object")
    return found


def context_words(context: Mapping[str, str | None]) -> list[str]:
    """Return the options of a context. An option of None is left out, so `cdk.json` decides."""
    return [word for name, value in context.items() if value is not None for word in ("--context", f"{name}={value}")]


def run_cdk(
    folder: Path, words: Sequence[str], log: IO[bytes] | None, line: Callable[[str], None], *, checked: bool = True
) -> int:
    """Run the CDK's command line and return its exit code. Its output goes to `log`, and each line of it to `line`; without a log, to this process's own.
    `checked`: the CDK checks the templates of a synth."""
    command = [*cdk_command(folder), *words]
    environment = settings.environment(**SILENT, **({} if checked else UNCHECKED))
    if log is None:
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    with subprocess.Popen(
        command, cwd=folder, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        for raw in running.stdout or ():
            log.write(raw)
            line(raw.decode(errors="replace").rstrip())
    return running.returncode
