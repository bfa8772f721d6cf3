"""`persisty work`: handle the events of triggers and fire timers, without serving. Any number of processes may run; they share the events.

Exit code 0: stopped by a signal. 1: the engine cannot be used, or handlers that do not return have taken all threads. 2: the call is invalid.
"""

from __future__ import annotations

import logging.config
import signal
import sys
import threading
from typing import Annotated

import typer

from .. import settings
from ..application import load_app
from ..application.working import GRACE, THREADS, Workers
from ..errors import InvalidDeclaration
from ..hosting.logs import configuration
from .project import AppArgument, app_of

MEMORY = "memory:"


def command(
    app: AppArgument = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Most handlers that run at a time")] = THREADS,
    drain_timeout: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds that running handlers have to end at shutdown")
    ] = GRACE,
) -> None:
    """Handle the events of an app's triggers, and fire its timers."""
    logging.config.dictConfig(configuration(settings.load().log_level, people=sys.stderr.isatty()))
    worked = load_app(app_of(app))
    if url:
        worked.use(url)
    if worked.url.startswith(MEMORY):
        raise InvalidDeclaration(
            "Events in memory are handled by the process that serves: choose another engine with --url"
        )
    workers = Workers(worked, threads)
    if not workers:
        raise InvalidDeclaration(f"{worked.name} has no triggers that workers run")
    worked.verify()
    stopping = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stopping.set())
    workers.start()
    typer.echo(f"{worked.name}, stored in {worked.url}: {threads} threads handle events")
    while not stopping.wait(0.5) and workers.alive:
        continue
    stuck = not stopping.is_set()
    if not workers.stop(0.0 if stuck else drain_timeout) or stuck:
        typer.echo("Some handlers have not returned. Their events will be handled again", err=True)
    worked.close()
    sys.exit(1 if stuck else 0)
