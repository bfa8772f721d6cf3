"""Tests in one line: for an app (`app_fixture`, `drain`), an engine (`persisty.testing.conformance`) and access rules (`persisty.testing.roles`).

Needs the extra `testing`.
"""

import pytest

# before the import, so that pytest rewrites their asserts to show values
pytest.register_assert_rewrite(f"{__name__}.conformance", f"{__name__}.roles")

from .apps import app_fixture  # noqa: E402
from .events import drain  # noqa: E402

__all__ = ["app_fixture", "drain"]
