"""Optional drivers: libraries that an extra of the package installs, each imported at the first use.

An import costs time at every cold start, so modules below the surfaces import no driver at their top. They call `driver("jwt")`, which imports
the library on first use. A few slow modules of the standard library are in the same table. persisty's own modules are never imported this way.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import InvalidDeclaration

STANDARD = ""
"""The extra of a module of the standard library."""
EXTRAS: dict[str, str] = {
    "alembic.operations": "sql",
    "alembic.runtime.migration": "sql",
    "boto3": "aws",
    "botocore.config": "aws",
    "botocore.exceptions": "aws",
    "botocore.session": "aws",
    "cronsim": "server",
    "cryptography.hazmat.primitives.asymmetric.rsa": "server",
    "cryptography.hazmat.primitives.serialization": "server",
    "dataclasses": STANDARD,
    "email.utils": STANDARD,
    "http.client": STANDARD,
    "jwt": "server",
    "moto": "testing",
    "prometheus_client": "server",
    "prometheus_client.exposition": "server",
    "prometheus_client.multiprocess": "server",
    "ssl": STANDARD,
    "urllib.request": STANDARD,
}
"""Module → the extra of persisty that installs it."""


def driver(name: str) -> Any:
    """Return the module `name`, a row of `EXTRAS`. `InvalidDeclaration` names the extra to install if the module is missing."""
    extra = EXTRAS[name]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise  # the driver is installed, but lacks a dependency
        missing = error.name.partition(".")[0]
        raise InvalidDeclaration(f"{missing} is not installed: pip install 'persisty[{extra}]'") from error
