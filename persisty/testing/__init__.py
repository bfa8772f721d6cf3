"""Tests by one line: of an app (`app_fixture`), of an engine (`persisty.testing.conformance`), and of who may do what (`persisty.testing.roles`). Needs the extra `testing`."""

import pytest

# before they are imported: their asserts are to say what they saw
pytest.register_assert_rewrite(f"{__name__}.conformance", f"{__name__}.roles")

from .apps import app_fixture  # noqa: E402

__all__ = ["app_fixture"]
