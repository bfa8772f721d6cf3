"""The libraries that Lambda's Python runtime brings: boto3 and what it needs. A function finds them after its code and its layers.

Source: "Runtime-included SDK versions" in the AWS Lambda Developer Guide.
"""

from __future__ import annotations

import shutil
from importlib.metadata import distribution
from pathlib import Path

LIBRARIES = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")


def link_libraries(folder: Path) -> Path:
    """Return the folder, with a link to each library of this environment and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in LIBRARIES:
        package = distribution(name)
        for top in {file.parts[0] for file in package.files or ()}:
            place = Path(str(package.locate_file(top)))
            if not top.startswith((".", "_")) and not top.endswith(".dist-info") and place.exists():
                (folder / top).symlink_to(place)
    return folder
