"""The configuration with which pip installs the requirements of functions: that of the environment which synthesises.

pip runs under a Python of the target's version, and then does not read the `pip.conf` of the virtual environment, which may name a private index.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .. import settings

FILES = ("pip.conf", "pip.ini")
"""Names of the configuration of a virtual environment, the second on Windows. Source: "Configuration" in pip's documentation."""
VARIABLE = "PIP_CONFIG_FILE"


def pip_environment() -> dict[str, str]:
    """Return the environment of pip. A configuration that the shell names is not replaced."""
    found = settings.environment()
    own = [file for file in (Path(sys.prefix) / name for name in FILES) if file.is_file()]
    return {**({VARIABLE: str(own[0])} if own else {}), **found}
