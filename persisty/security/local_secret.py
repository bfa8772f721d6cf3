"""A generated secret for tokens, stored in the working directory: for development on one machine only.

Only `persisty serve` and `persisty token` import this.
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from tempfile import mkstemp

from .. import settings
from .signing_secret import LOCAL_FILE, LOCAL_FOLDER, LOCAL_STAGES

log = logging.getLogger("persisty")


def ensure(configured: settings.Settings, stage: str) -> None:
    """Generate a secret if the stage is local and no other key is configured."""
    elsewhere = settings.token_secret() or configured.token_key_file or configured.token_secret_arn
    if stage in LOCAL_STAGES and not elsewhere:
        make_local()


def make_local(folder: Path | None = None) -> bool:
    """Generate the secret of this working directory unless it has one. Return whether it was generated.

    The file appears complete or not at all, so that two processes that start together use the same secret.
    """
    place = (folder or Path()) / LOCAL_FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    (place / ".gitignore").write_text("*\n")
    handle, made = mkstemp(dir=place)  # readable by its owner only
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_urlsafe(48) + "\n")
        os.link(made, place / LOCAL_FILE)
    except FileExistsError:
        return False
    finally:
        os.unlink(made)
    log.warning(
        "no secret for tokens is configured: generated one in %s, for this machine only; "
        "set PERSISTY_TOKEN_SECRET or PERSISTY_TOKEN_KEY_FILE on any other machine", place / LOCAL_FILE
    )  # fmt: skip
    return True
