"""One run of `persisty local`: emulator, deployment, functions, and the changes of the project's files until it ends."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from msgspec import Struct, structs
from watchfiles import DefaultFilter, watch

from ..deploy.assembly import stacks_of
from ..errors import InvalidDeclaration, PersistyError
from .appsync import AppSync
from .assemblies import Assemblies
from .bootstrap import bootstrap
from .code_copies import CodeCopies
from .completion import complete
from .declaration import Declaration, contents_of, read_declaration
from .deployed import Deployed, read_assembly, read_deployed
from .deployment import Cdk, digest_of
from .emulator import Emulator, emulator, installed
from .functions import FunctionCode, FunctionFailed, RunningFunction
from .phases import Phases
from .realtime import PATH
from .resolvers import Resolvers
from .runtime_libraries import link_libraries
from .server import Front
from .streams import Streams

FOLDER = Path(".persisty") / "local"
INFRASTRUCTURE = ("cdk.json", "pyproject.toml")
"""Files whose change needs a synth, besides requirements and the project's own modules that no function has."""
ENVIRONMENT = "environment"
"""File of variables for other shells."""
SHARED = ("PERSISTY_APP", "PERSISTY_URL", "PERSISTY_STAGE", "PERSISTY_TOKEN_SECRET_ARN")
"""Variables of functions that are in it."""
PUBLISH = "PERSISTY_GRAPHQL_URL"
"""The variable of a function that publishes changes."""
IGNORED = (".persisty", "cdk.out", "node_modules", ".venv", "venv", "tests", "dist", "build")

Log = Callable[[str], None]


class Project(Struct, frozen=True):
    """The project's folder, the words that name its app for the CDK, and the options of the deployment as far as `cdk.json` and the command line
    have them. `url`: of the server in front. `own_cdk_app`: its CDK app is not `persisty_cdk`."""

    url: str
    folder: Path
    words: Sequence[str]
    options: Mapping[str, Any]
    own_cdk_app: bool = False

    @property
    def place(self) -> Path:
        return self.folder / FOLDER


class Session:
    """A deployment that runs and follows the project's files. `log` prints a line."""

    def __init__(self, project: Project, aws: Emulator, front: Front, log: Log, phases: Phases) -> None:
        self._project, self._aws, self._front, self._log = project, aws, front, log
        self._phases = phases
        self._cdk = Cdk(project.folder, project.words, aws, copies=project.own_cdk_app)
        self._assemblies = Assemblies(project.place, project.folder, project.words, self._cdk.command)
        self._copies = CodeCopies(project.place / "code")
        self._libraries = link_libraries(project.place / "runtime")
        self._running: dict[str, RunningFunction] = {}
        self._resolvers: Resolvers | None = None
        self._streams: Streams | None = None
        self._declaration: Declaration | None = None
        self._contents: dict[Path, bytes] = {}
        """The files of the app that were loaded last without a mistake."""
        self._plan = self._digest = ""
        """Hashes of the plan that is deployed, and of its templates."""
        self._completes = True
        """True if an index of the last deployment may miss items."""
        self._is_outdated = False
        """True while the stacks are to be updated: a synth is due, or was not completed."""
        self.deployed: Deployed | None = None

    def start(self) -> None:
        """Deploy, and start an instance of each function. `InvalidDeclaration` if the app, its templates or its deployment have a mistake."""
        begun = time.time()
        with ThreadPoolExecutor(2) as pool:
            reading = pool.submit(self._read_declaration)
            preparing = pool.submit(self._prepare)
            if self._project.own_cdk_app:
                preparing.result()  # its synth may look up resources of the account
            assembly = self._first_assembly(reading, begun)
            preparing.result()
            found = reading.result()
        self._plan = found.plan
        contents = contents_of(found)
        while contents is None:  # saved meanwhile
            found = self._read_declaration()
            contents = contents_of(found)
        self._declaration, self._contents = found, contents
        self._deploy(assembly)

    def follow(self, stop: Event) -> None:
        """Follow the project's files until `stop` is set. First, run what was saved during the start."""
        self._cdk.start_ahead()
        found = self._declaration
        if found is not None and (found.plan != self._plan or contents_of(found) is None):
            self._try([])
        for changes in watch(self._project.folder, watch_filter=_filter(), stop_event=stop, debounce=200, step=50):
            files = [Path(path) for _, path in changes]
            if any(map(self._concerns, files)):
                self._try(files)

    def _try(self, files: Sequence[Path]) -> None:
        try:
            self.changed(files)
        except PersistyError as error:
            self._log(f"Not reloaded: {error}")
        self._cdk.start_ahead()

    def changed(self, files: Sequence[Path]) -> None:
        """Run the new code at once. Deploy again if the declaration, or a file of the infrastructure, has changed."""
        begun, started = time.monotonic(), time.time()
        self._is_outdated |= any(map(self._of_infrastructure, files))
        found = self._read_declaration()
        contents = contents_of(found)
        if contents is None:
            return  # saved again meanwhile: that change follows
        self._declaration, self._contents = found, contents
        changed = found.plan != self._plan
        self._is_outdated |= changed
        if self._copies.update(contents):
            for name, function in self._running.items():
                if not (changed and self._publishes(name)):
                    function.replace(function.code)
            self._warm()
            self._log(f"Reloaded in {time.monotonic() - begun:.1f} s")
        if self._is_outdated:
            assembly = self._synth()
            if contents_of(found) is None:
                return  # it may contain what was not loaded yet
            self._record(assembly, found, started)
            if digest_of(assembly) != self._digest:
                self._deploy(assembly)
                self._log(f"Stacks updated in {time.monotonic() - begun:.1f} s")
            self._plan, self._is_outdated = found.plan, False

    def close(self) -> None:
        """End the functions, the streams, the resolvers, and what was started ahead."""
        self._cdk.close()
        self._retire(self._running, self._streams, self._resolvers)

    def _publishes(self, function: str) -> bool:
        """Return whether a function publishes to AppSync. It gets new code with AppSync's new schema, which its mutations have to fit."""
        return self.deployed is not None and function == self.deployed.publisher

    def _concerns(self, file: Path) -> bool:
        """Return whether a file may change what runs: not a log, nor a database next to the app."""
        return file.suffix == ".py" or self._is_shipped(file) or self._of_infrastructure(file)

    def _is_shipped(self, file: Path) -> bool:
        found = self._declaration
        return found is not None and file in {Path(found.root, one) for one in found.files}

    def _of_infrastructure(self, file: Path) -> bool:
        named = file.name in INFRASTRUCTURE or file.name.startswith("requirements")
        return named or (file.suffix == ".py" and file.parent == self._project.folder and not self._is_shipped(file))

    def _read_declaration(self) -> Declaration:
        with self._phases.phase("declaration"):
            return read_declaration(self._project.folder, self._project.options)

    def _prepare(self) -> None:
        """Wait for the emulator, and prepare its account."""
        with self._phases.phase("emulator"):
            self._aws.wait()
        with self._phases.phase("bootstrap"):
            bootstrap(self._aws)

    def _first_assembly(self, reading: Future[Declaration], begun: float) -> Path:
        """Return the assembly of the last start if a synth would make the same one; else a new one."""
        again = self._assemblies.recorded and not self._project.own_cdk_app
        if again and (found := self._assemblies.unchanged(reading.result(), self._project.options)) is not None:
            return found
        assembly = self._synth()
        self._record(assembly, reading.result(), begun)
        return assembly

    def _record(self, assembly: Path, declaration: Declaration, begun: float) -> None:
        if not self._project.own_cdk_app:
            self._assemblies.record(assembly, declaration, self._project.options, begun)

    def _synth(self) -> Path:
        """Return a new assembly. The last one stays: its layers are in use."""
        assembly = self._assemblies.new()
        with self._phases.phase("synth"):
            self._cdk.synth(assembly)
        return assembly

    def _deploy(self, assembly: Path) -> None:
        """Deploy, start an instance of each function, and complete the indexes meanwhile."""
        digest, last = digest_of(assembly), self._project.place / "aws" / "deployed"
        unchanged = last.is_file() and last.read_text() == digest
        with self._phases.phase("deployment"):
            if not (unchanged and self._cdk.is_deployed(read_assembly(assembly))):
                self._cdk.deploy(assembly, self._project.place / "outputs.json")
                last.write_text(digest)
        with ThreadPoolExecutor(1) as pool:
            completing = pool.submit(self._complete, assembly, digest)
            with self._phases.phase("functions and routes"):
                self._run_deployed(assembly, digest)
            self._warm()
            completing.result()

    def _complete(self, assembly: Path, digest: str) -> None:
        """Complete the indexes of what is deployed, if that was not done for the same templates before."""
        last = self._project.place / "aws" / "completed"
        found = self._declaration
        before, self._completes = self._completes, found is None or found.completes_indexes
        needed = before or self._completes or self._project.own_cdk_app
        if not needed or (last.is_file() and last.read_text() == digest):
            return
        with self._phases.phase("indexes"):
            apps = dict.fromkeys(app for stack in stacks_of(assembly) for app in stack.apps)
            left = list(complete(self._project.folder, self._aws, apps))
        for line in left:
            self._log(line)
        if not left:
            last.write_text(digest)

    def _run_deployed(self, assembly: Path, digest: str) -> None:
        """Answer by what is deployed, and end what ran before."""
        deployed = read_deployed(assembly, self._aws)
        self._copies.begin()
        codes = {name: self._adapted(self._copies.of(code)) for name, code in deployed.functions.items()}
        if self._contents:
            self._copies.update(self._contents)
        old = self._running, self._streams, self._resolvers
        self._running = {name: RunningFunction(code) for name, code in codes.items()}
        self.deployed, self._digest = deployed, digest
        graphql = None
        if deployed.graphql is not None:
            self._resolvers = Resolvers(self._project.place / f"resolvers.{time.time_ns()}")
            graphql = AppSync(deployed.graphql, self._invoke, self._resolvers)
        if deployed.streams:
            self._streams = Streams(self._aws, deployed.streams, self._invoke, self._log)
        self._front.deploy(deployed, self._running, graphql)
        own = {name: value for code in codes.values() for name, value in code.variables.items()}
        shared = {name: own[name] for name in SHARED if name in own}
        write_environment(self._project.place / ENVIRONMENT, {**self._aws.variables, **shared})
        self._retire(*old)
        self._assemblies.delete_others(assembly)

    def _invoke(self, function: str, event: Any) -> Any:
        return self._running[function].invoke(event)

    def _adapted(self, code: FunctionCode) -> FunctionCode:
        """Return a function with the libraries of Lambda's runtime. If it publishes changes, it publishes to AppSync on this machine."""
        paths = (*code.paths, self._libraries)
        address = {PUBLISH: f"{self._project.url}{PATH}"} if PUBLISH in code.variables else {}
        return structs.replace(code, paths=paths, variables={**code.variables, **address})

    def _retire(
        self, functions: dict[str, RunningFunction], streams: Streams | None, resolvers: Resolvers | None
    ) -> None:
        """End the parts of the last deployment."""
        if streams is not None:
            streams.close()
        if resolvers is not None:
            resolvers.close()
        for function in functions.values():
            function.close()

    def _warm(self) -> None:
        """Start an instance of each function, and name those that cannot be imported."""

        def warm(function: RunningFunction) -> None:
            try:
                function.warm()
            except FunctionFailed as error:
                self._log(f"{function.code.handler} cannot be imported: {error.kind}: {error}")

        with self._phases.phase("instances"), ThreadPoolExecutor(4) as pool:
            list(pool.map(warm, self._running.values()))


@contextmanager
def running(
    project: Project, front: Front, log: Log, *, fresh: bool = False, verbose: bool = False
) -> Iterator[Session]:
    """Run the project until the context ends. `fresh`: without what earlier runs have stored. `verbose`: also print the seconds of each phase.
    `InvalidDeclaration` if it cannot start, or if it runs already."""
    phases = Phases(log if verbose else None)
    project.place.mkdir(parents=True, exist_ok=True)
    (project.place.parent / ".gitignore").write_text("*\n")
    with (project.place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InvalidDeclaration(
                f"This project runs locally already: {project.place / 'lock'} is locked"
            ) from error
        os.set_inheritable(lock.fileno(), False)
        if fresh:
            shutil.rmtree(project.place / "aws", ignore_errors=True)
        with emulator(lambda: installed(project.place.parent), project.place / "aws") as aws:
            session = Session(project, aws, front, log, phases)
            try:
                session.start()
                yield session
            finally:
                session.close()


def write_environment(file: Path, variables: Mapping[str, str]) -> None:
    """Write the variables with which commands in another shell use what is deployed: `persisty token`, `persisty shell`, the AWS CLI."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    file.write_text("\n".join(lines) + "\n")


def _filter() -> DefaultFilter:
    return DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, *IGNORED))
