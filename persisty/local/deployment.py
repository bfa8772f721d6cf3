"""Deploy an app into the emulator with the real CDK CLI: synth, deploy.

Most of the time of both is the start: of Python and Node, of the CDK's library and of the CLI. While the project's files are followed, the processes of the
next update wait for it (see `standby`). The app of persisty is then synthesised by itself, without the CLI: it needs no lookups, and its templates are not checked.

Between synth and deployment, the templates lose what the emulator cannot do or what this machine does itself: policies that refuse plain HTTP, and the
event source mappings, because `streams.py` delivers the records of streams.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..deploy.cdk_cli import APP, SILENT, UNCHECKED, cdk_command, configuration
from ..errors import InvalidDeclaration
from .emulator import Emulator
from .standby import Standby
from .stream_mappings import MAPPING, write_mappings

EXCLUDED = frozenset({"AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy", MAPPING, "AWS::Scheduler::Schedule"})
"""Types of resources that are not deployed here."""
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
LAST_LINES = 12
SHORT_WAITS = Path(__file__).with_name("short_waits.js")
"""Loaded into the CLI where it waits for stacks."""
CDK_STANDBY = Path(__file__).with_name("cdk_standby.js")
"""Loaded into a CLI that is started ahead."""
USER = Path.home()
"""The folder with further configuration of the CDK, for every project."""
OF_THE_CLI = {
    "aws:cdk:disable-asset-staging": True, "aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True,
    "aws:cdk:version-reporting": False,
}  # fmt: skip
"""Context that the CLI adds for these options."""


class Cdk:
    """The CDK CLI in the project's `folder`, with the emulator as AWS. `words`: those that name the app and its context. `copies`: an assembly has copies of
    the folders with code, as it must if they may have files that are excluded; otherwise it names the folders."""

    def __init__(self, folder: Path, words: Sequence[str], aws: Emulator, *, copies: bool) -> None:
        self._folder, self._words, self._aws = folder, list(words), aws
        self.command = cdk_command(folder)
        environment = {**aws.environment(), **SILENT}
        options = environment.get("NODE_OPTIONS", "")
        waits = f'{options} --require "{SHORT_WAITS}"'.strip()
        self._environment, self._deploying = environment, {**environment, "NODE_OPTIONS": waits}
        self._app = (
            None if copies else Standby([sys.executable, "-m", f"{APP}.standby"], folder, {**environment, **UNCHECKED})
        )
        self._cli = _cli_ahead(self.command, folder, self._deploying)

    def start_ahead(self) -> None:
        """Start the processes of the next update."""
        for one in (self._app, self._cli):
            if one is not None:
                one.start()

    def close(self) -> None:
        """End the processes that were started ahead."""
        for one in (self._app, self._cli):
            if one is not None:
                one.close()

    def synth(self, assembly: Path) -> None:
        """Write the templates. `InvalidDeclaration` with the last lines of the CDK's output if they cannot be made."""
        if self._app is not None:
            code, output = self._app.run({"context": self._context(), "output": str(assembly)})
        else:
            words = ["synth", "--quiet", "--no-notices", "--output", str(assembly), *self._words]
            code, output = self._run(words, {**self._environment, **UNCHECKED})
        _check("The templates cannot be made", code, output)
        templates = {file: json.loads(file.read_text()) for file in assembly.glob("*.template.json")}
        write_mappings(assembly, {file.name: template for file, template in templates.items()})
        for file, template in templates.items():
            resources = {
                name: one for name, one in template.get("Resources", {}).items() if one["Type"] not in EXCLUDED
            }
            for one in resources.values():
                if isinstance(after := one.get("DependsOn"), list):
                    one["DependsOn"] = [name for name in after if name in resources]
            file.write_text(json.dumps({**template, "Resources": resources}))

    def _context(self) -> dict[str, Any]:
        """Return the context that the CLI would give: of the user, of the project, of the command line."""
        given = [word for before, word in zip(self._words, self._words[1:], strict=False) if before == "--context"]
        found: dict[str, Any] = {}
        for declared in (configuration(USER, ".cdk.json"), configuration(self._folder)):
            context = declared.get("context")
            found |= context if isinstance(context, Mapping) else {}
        return {**found, **dict(word.split("=", 1) for word in given if "=" in word), **OF_THE_CLI}

    def is_deployed(self, stacks: Iterable[str]) -> bool:
        """Return whether every stack is there, in a state that an update may follow."""
        found = self._aws.client("cloudformation").describe_stacks()["Stacks"]
        return set(stacks) <= {one["StackName"] for one in found if one["StackStatus"] in COMPLETE}

    def deploy(self, assembly: Path, outputs: Path) -> None:
        """Create or update the stacks."""
        words = [
            "deploy", "--all", "--app", str(assembly), "--require-approval", "never", "--no-notices",
            "--outputs-file", str(outputs), "--progress", "events", "--method", "direct", "--asset-parallelism", "true",
        ]  # fmt: skip
        code, output = self._run(words, self._deploying) if self._cli is None else self._cli.run(words)
        _check("The stacks cannot be deployed; `--fresh` starts without what is stored", code, output)

    def _run(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        done = subprocess.run(
            [*self.command, *words], cwd=self._folder, env=dict(environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout


def _cli_ahead(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Standby | None:
    """Return the CLI as a process that can be started ahead, None if its script is not found, as with npx."""
    script, node = Path(command[0]).resolve(), shutil.which("node")
    if len(command) > 1 or node is None or not (script.parent.parent / "lib" / "index.js").is_file():
        return None
    return Standby([node, "--require", str(CDK_STANDBY), str(script)], folder, environment)


def _check(failure: str, code: int, output: str) -> None:
    if code:
        lines = [line for line in output.splitlines() if line.strip()]
        raise InvalidDeclaration("\n  ".join([f"{failure}:", *lines[-LAST_LINES:]]))


def digest_of(assembly: Path) -> str:
    """Return a hash of the templates, which changes with what is deployed."""
    digest = sha256()
    for file in sorted(assembly.glob("*.template.json")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
