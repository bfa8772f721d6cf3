"""A secret for tokens, made up and kept on the machine that needs one: for a laptop, and for nothing else.

Nothing but `persisty serve` and `persisty token` imports this.
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
    """Make up a secret if this is a laptop's stage and nothing else is configured to sign tokens."""
    elsewhere = settings.token_secret() or configured.token_key_file or configured.token_secret_arn
    if stage in LOCAL_STAGES and not elsewhere:
        make_local()


def make_local(folder: Path | None = None) -> bool:
    """Make up the secret of this working directory unless it has one, and say whether it was made.

    The file appears whole or not at all, so that of
    two processes both use the same.
    """
    place = (folder or Path()) / LOCAL_FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    (place / ".gitignore").write_text("*\n")
    handle, made = mkstemp(dir=place)  # readable by its owner alone
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_urlsafe(48) + "\n")
        os.link(made, place / LOCAL_FILE)
    except FileExistsError:
        return False
    finally:
        os.unlink(made)
    log.warning(
        "no secret for tokens is configured: one was made up and is kept in %s, for this machine only; "
        "set PERSISTY_TOKEN_SECRET or PERSISTY_TOKEN_KEY_FILE anywhere else", place / LOCAL_FILE
    )  # fmt: skip
    return True
