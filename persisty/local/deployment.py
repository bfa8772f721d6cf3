"""Deploy an app into the emulator with the real CDK CLI: synth, deploy.

Between synth and deployment, the templates lose what the emulator cannot do or what this machine does itself: policies that refuse plain HTTP, and the
event source mappings, because `streams.py` delivers the records of streams.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from .. import settings
from ..deploy.cdk_cli import SILENT, UNCHECKED, cdk_command
from ..errors import InvalidDeclaration
from .emulator import Emulator
from .stream_mappings import MAPPING, write_mappings

EXCLUDED = frozenset({"AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy", MAPPING})
"""Types of resources that are not deployed here."""
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
LAST_LINES = 12
SHORT_WAITS = Path(__file__).with_name("short_waits.js")
"""Loaded into the CLI where it waits for stacks."""


class Cdk:
    """The CDK CLI in the project's `folder`, with the emulator as AWS. `words`: those that name the app and its context. `copies`: an assembly has copies of
    the folders with code, as it must if they may have files that are excluded; otherwise it names the folders."""

    def __init__(self, folder: Path, words: Sequence[str], aws: Emulator, *, copies: bool) -> None:
        self._folder, self._words, self._aws = folder, list(words), aws
        self._staging = () if copies else ("--no-staging",)
        self.command = cdk_command(folder)

    def synth(self, assembly: Path) -> None:
        """Write the templates. `InvalidDeclaration` with the last lines of the CDK's output if they cannot be made."""
        words = ["synth", "--quiet", "--no-notices", "--output", str(assembly), *self._staging, *self._words]
        self._run("The templates cannot be made", words, **UNCHECKED)
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
        options = settings.environment().get("NODE_OPTIONS", "")
        waits = f'{options} --require "{SHORT_WAITS}"'.strip()
        self._run("The stacks cannot be deployed; `--fresh` starts without what is stored", words, NODE_OPTIONS=waits)

    def _run(self, failure: str, words: Sequence[str], **variables: str) -> None:
        environment = {**self._aws.environment(), **SILENT, "NODE_NO_WARNINGS": "1", **variables}
        done = subprocess.run(
            [*self.command, *words], cwd=self._folder, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise InvalidDeclaration("\n  ".join([f"{failure}:", *lines[-LAST_LINES:]]))


def digest_of(assembly: Path) -> str:
    """Return a hash of the templates, which changes with what is deployed."""
    digest = sha256()
    for file in sorted(assembly.glob("*.template.json")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
