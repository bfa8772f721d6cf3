"""Only `persisty.model.type_descriptions` reads annotations. All other modules read its descriptions."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "persisty"
READS = re.compile(r"msgspec\.inspect\b|from msgspec import .*\binspect\b|\b(multi_)?type_info\(")


def test_no_module_but_the_reader_of_annotations_inspects_them() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if any(READS.search(line) for line in path.read_text().splitlines())
    }
    assert found == set(), "read the description: persisty.model.type_descriptions.described"
