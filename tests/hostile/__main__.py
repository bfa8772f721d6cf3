"""`make hostile`: send many hostile requests, and print the requests, the times of `/health` and the statuses. Exit 1 after a violation.

HOSTILE_REQUESTS and HOSTILE_SEED replace 50,000 and 1.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from .attack import attack, serving


def main() -> int:
    count, seed = int(os.environ.get("HOSTILE_REQUESTS", "50000")), int(os.environ.get("HOSTILE_SEED", "1"))
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as target:
        report = attack(target, seed, count)
        print(report.table())
        faults = report.faults()
        if faults and (kept := os.environ.get("HOSTILE_LOG")):
            Path(kept).write_text(report.log)
    for fault in faults[:50]:
        print(fault)
    print(f"{len(report.sent)} requests, seed {seed}: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
