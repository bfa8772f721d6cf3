"""`persisty local`: deploy an app to an emulator of AWS on this machine, serve the URLs of its stacks, and follow its files.

The server listens when everything is deployed. The port is taken before, so that a port in use is reported at once.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import typer
import uvicorn

from ..deploy.cdk_cli import app_words, configuration, context_words
from ..deploy.options import TARGET
from ..errors import InvalidDeclaration
from ..local.server import Front, application
from ..local.session import Project, Session, running
from .cdk_options import ContextOption, StageOption, cdk_words, stage_of
from .listening import listen
from .project import AppArgument, app_of
from .terminal import plain_console

LIBRARIES = ("boto3", "aws_cdk", "pip")
"""Libraries that the CDK app and this command need, besides those of the server."""
MACHINE = "local"
"""The target of functions that run on this machine."""


def command(
    app: AppArgument = None,
    host: Annotated[str, typer.Option(help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one")] = 4000,
    stage: StageOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start without what earlier runs have stored")] = False,
    reload: Annotated[bool, typer.Option(help="Follow changes of the project's files")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the seconds of each phase of the start")] = False,
    context: ContextOption = None,
) -> None:
    """Run an app as on AWS, on this machine."""
    begun, folder = time.monotonic(), Path.cwd()
    console = plain_console(soft_wrap=True)
    for name in LIBRARIES:
        if find_spec(name) is None:
            raise InvalidDeclaration(f"{name} is not installed: pip install 'persisty[local]'")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything ends in order
    listening = listen(host, port)
    words = [*cdk_words(folder, app, stage, MACHINE, context), *context_words({TARGET: MACHINE})]
    url = f"http://{host}:{listening.getsockname()[1]}"
    own = not app_words(configuration(folder))
    project = Project(url, folder, words, _options(folder, app, stage, context), own)
    front = Front()
    console.print("Starting the emulator, and deploying to it", style="dim")

    def log(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    with running(project, front, log, fresh=fresh, verbose=verbose) as session, _following(session, reload):
        listening.listen()  # connections wait in the queue from here on, until uvicorn accepts them
        console.print(f"Ready in {time.monotonic() - begun:.1f} s")
        for line in front.urls(url):
            console.print(line, markup=False, soft_wrap=True)
        config = uvicorn.Config(
            application(front, project.options["app"].partition(":")[0]),
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _following(session: Session, reload: bool) -> Iterator[None]:
    """Follow the project's files in a thread until the context ends, however it ends: a thread that is not stopped would keep the command running."""
    stop = Event()
    follower = Thread(target=session.follow, args=(stop,))
    if reload:
        follower.start()
    try:
        yield
    finally:
        stop.set()
        if reload:
            follower.join()


def _options(folder: Path, app: str | None, stage: str | None, context: list[str] | None) -> dict[str, Any]:
    """Return the options of the deployment, as far as `cdk.json` and the command line have them."""
    declared = configuration(folder).get("context")
    found: dict[str, Any] = dict(declared) if isinstance(declared, dict) else {}
    found |= dict(one.split("=", 1) for one in context or () if "=" in one)
    if app is not None or "app" not in found:
        found["app"] = app_of(app)
    if (chosen := stage_of(stage)) is not None:
        found["stage"] = chosen
    return {**found, "target": MACHINE}
