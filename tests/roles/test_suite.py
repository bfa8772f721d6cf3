"""The suite, over every engine of this project."""

from persisty.testing.roles import *  # noqa: F403
