"""The deployment of the stacks of one region: what exists there, the waves, and the indexes that are completed afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from ..application import App, load_app
from ..deploy.assembly import PlacedApp, StackShape
from ..deploy.cdk_cli import context_words
from ..deploy.deployed_tables import Deployed, read_deployed, secret_arns, stuck_stacks
from ..deploy.evolution import check_places
from ..deploy.index_completion import complete_indexes, doubt_indexes, has_defaulted_indexes
from ..deploy.regions import Region
from ..deploy.token_secret import RETAINED
from ..deploy.waves import CONTEXT, Loss, Wave, losses, waves
from ..drivers import driver
from ..errors import PersistyError
from .cdk_options import profile_words
from .cdk_runs import CdkRuns
from .step_progress import step_progress

Outputs = dict[str, dict[str, str]]
"""Name of a stack → its outputs."""


class RegionalDeployment:
    """The deployment of a region. `words`: the CDK's arguments that name the app and its context. `assembly`: what they synthesise. `folder`: for
    temporary files."""

    def __init__(
        self, region: Region, words: Sequence[str], assembly: Path, folder: Path, profile: str | None, cdk: CdkRuns
    ) -> None:
        self._region, self._words, self._assembly = region, list(words), assembly
        self._folder, self._profile, self._cdk = folder / str(region.name), profile, cdk
        self._folder.mkdir()
        self._session = driver("boto3").Session(profile_name=profile, region_name=region.name)
        self.deployed: Deployed = read_deployed(region.stacks, self._session)
        if self.deployed.secrets:
            self._words += context_words({RETAINED: ",".join(self.deployed.secrets)})
            self._assembly = self._folder / "cdk.out"
            cdk.synth(self._assembly, self._words, checked=False)  # the first synth was
        self._declared = {table.name: table for one in region.stacks for table in one.tables}
        self.steps: Sequence[Wave] = waves(self._declared, self.deployed.tables)
        self._apps = dict.fromkeys(app for one in region.stacks for app in one.apps)

    @property
    def name(self) -> str | None:
        """The region, None if the credentials name none."""
        return self._region.name

    @property
    def losses(self) -> list[Loss]:
        """The changes that need `--allow`."""
        return list(losses(self._declared, self.deployed.tables, self.deployed.stacked))

    @property
    def secret_arns(self) -> Iterator[str]:
        """The ARNs of the token secrets, after the deployment."""
        return secret_arns(self._region.stacks, self._session)

    def prepare(self) -> None:
        """Note which indexes may be incomplete afterwards. Raises `SchemaMismatch` if the deployed code would not find stored items."""
        if self.deployed.tables:
            for one in self._apps:
                with _opened(one, self.name, self._profile) as placed_app:
                    check_places(placed_app)
                    doubt_indexes(placed_app)

    def update(self, step: Wave) -> Outputs:
        """Make one update, and return the outputs of its stacks."""
        file = self._folder / "outputs.json"
        file.unlink(missing_ok=True)
        wave = [*self._words, "--output", str(self._folder / "wave")]
        placed = wave if step.indexes else ["--app", str(self._assembly)]
        arguments = _deploy_words(step, self._region.stacks, self.deployed, file)
        try:
            self._cdk.change([*arguments, *placed, *profile_words(self._profile)])
        except typer.Exit:
            with suppress(PersistyError):  # the failure itself was printed
                for line in stuck_stacks(self._region.stacks, self._session):
                    typer.echo(line, err=True)
            raise
        found: Outputs = msgspec.json.decode(file.read_bytes()) if file.is_file() else {}
        return found

    def complete(self, console: Console) -> bool:
        """Complete the indexes of the deployed apps. Return False if a part is left to do, after printing why."""
        found = [complete(one, self.name, self._profile, console) for one in self._apps]
        return all(found)


@contextmanager
def _opened(placed: PlacedApp, region: str | None, profile: str | None) -> Iterator[App]:
    """Open a deployed app on the tables of its stage."""
    app, boto3 = load_app(placed.spec), driver("boto3")
    boto3.setup_default_session(profile_name=profile, region_name=region)
    app.stage = placed.stage
    app.use(f"dynamodb://{boto3.DEFAULT_SESSION.region_name}?transport=boto3")
    try:
        yield app
    finally:
        app.close()


def complete(placed: PlacedApp, region: str | None, profile: str | None, console: Console) -> bool:
    """Complete the indexes of a deployed app. Return False if a part is left to do, after printing why."""
    if not has_defaulted_indexes(load_app(placed.spec)):
        return True
    with _opened(placed, region, profile) as app:
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


def _deploy_words(step: Wave, stacks: Sequence[StackShape], deployed: Deployed, outputs: Path) -> list[str]:
    """Return the arguments of one update: of only the stacks with tables, or of all stacks of the region."""
    chosen = [one.id for one in stacks if one.tables] if step.data_only else [one.id for one in stacks]
    indexes = {name: list(some) for name, some in step.indexes.items()}
    tables = [table.name for one in stacks for table in one.tables]
    adopted = any(name in deployed.tables and name not in deployed.stacked for name in tables)
    return [
        "deploy", *chosen, *(["--exclusively"] if step.data_only else []),
        "--require-approval", "never", "--no-notices", "--progress", "events", "--outputs-file", str(outputs),
        *(["--import-existing-resources"] if adopted else []),
        *(context_words({CONTEXT: msgspec.json.encode(indexes).decode()}) if indexes else []),
    ]  # fmt: skip
