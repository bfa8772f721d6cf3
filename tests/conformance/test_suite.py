"""The suite, over every engine of this project."""

from persisty.testing.conformance import *  # noqa: F403
