"""Engines by URL. A driver is imported when its scheme is first used."""

from __future__ import annotations

from importlib import import_module

from ..errors import Fault, InvalidDeclaration
from ..store.backend import Engine

SCHEMES: dict[str, str] = {
    "memory": "persisty.backends.memory",
    "sqlite": "persisty.backends.sql.embedded",
    "postgresql": "persisty.backends.sql.postgres.engine",
    "dynamodb": "persisty.backends.dynamodb.engine",
}
"""URL scheme → the module whose `connect(url, app, stage)` opens it."""

EXTRAS: dict[str, str] = {"sqlite": "sql", "postgresql": "postgresql", "dynamodb": "aws"}
"""URL scheme → the extra of the package that installs its driver."""


def connect(url: str, *, app: str, stage: str) -> Engine:
    """Return the engine of a URL such as `memory://`, `sqlite:///messenger.db`, `dynamodb://eu-west-1`.

    `app` and `stage` are part of names that an engine shares with others (DynamoDB's tables). Raises `InvalidDeclaration` for an unknown
    scheme or a driver that is not installed.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        fault = Fault("/url", "Unknown scheme", "one of " + ", ".join(SCHEMES), scheme)
        raise InvalidDeclaration("No engine for this URL", faults=[fault])
    try:
        engine: Engine = import_module(SCHEMES[scheme]).connect(url, app=app, stage=stage)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("persisty"):
            raise
        extra = EXTRAS.get(scheme, scheme)
        raise InvalidDeclaration(f"{scheme} needs {error.name}: pip install 'persisty[{extra}]'") from error
    return engine
