"""Tests by one line: of an app (`app_fixture`), of an engine (`persisty.testing.conformance`), and of who may do what (`persisty.testing.roles`). Needs the extra `testing`."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.conformance", f"{__name__}.roles")  # before it is imported: its asserts are to say what they saw

from .apps import app_fixture  # noqa: E402

__all__ = ["app_fixture"]
