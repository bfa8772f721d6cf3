"""Audit the templates of an assembly with checkov: `make checkov`. It finds only the exceptions of `stacks/constructs/exceptions.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from stacks.constructs.exceptions import CHECKOV


def findings(program: str, folder: Path, accepted: Iterable[str] = CHECKOV) -> list[str]:
    """Return the findings that are not accepted, each with the id of its check and its resource."""
    command = [program, "--directory", str(folder), "--framework", "cloudformation", "--quiet", "--output", "json"]
    command += ["--skip-download", "--skip-check", ",".join(accepted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout or "{}")
    if "results" not in report:
        raise SystemExit(f"checkov has read no template in {folder}\n{done.stderr}")
    return [f"{one['check_id']} {one['resource']}: {one['check_name']}" for one in report["results"]["failed_checks"]]


if __name__ == "__main__":
    found = findings(sys.argv[1], Path(sys.argv[2]))
    print("\n".join(found) or "checkov finds only exceptions with a reason")
    sys.exit(bool(found))
