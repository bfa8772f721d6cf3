"""Settings: the only reader of the process environment.

Each setting is one row of `VARIABLES`; a secret is never among them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

VARIABLES: dict[str, str] = {
    "PERSISTY_APP": "the app to load, as `module:attribute`",
    "PERSISTY_URL": "where items are kept, as an engine URL; default: a SQLite file named after the app",
    "PERSISTY_STAGE": "the deployment that tables belong to; default `dev`",
    "PERSISTY_LOG_LEVEL": "level of the log; default INFO",
}


class Settings(Struct, frozen=True):
    app: str | None = None
    url: str | None = None
    stage: str = "dev"
    log_level: str = "INFO"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process, or of the mapping given. An empty variable counts as unset."""
    source = os.environ if environ is None else environ
    given = {name: source.get(f"PERSISTY_{name.upper()}") for name in Settings.__struct_fields__}
    return Settings(**{name: value for name, value in given.items() if value})
