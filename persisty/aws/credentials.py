"""Credentials: from the environment directly, as Lambda gives them, else from botocore's chain, loaded only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BackendUnavailable
from ..settings import AwsEnvironment
from .sigv4 import Credentials

Provider = Callable[[], Credentials]
"""Return the credentials for the next request."""


def provider(environment: AwsEnvironment) -> Provider:
    """Return the provider of credentials in this process."""
    if environment.access_key_id and environment.secret_access_key:
        fixed = Credentials(environment.access_key_id, environment.secret_access_key, environment.session_token)
        return lambda: fixed
    return _chain()


def _chain() -> Provider:
    """botocore's chain (profiles, SSO, containers, instances). botocore refreshes them, so each call reads them again."""
    try:
        import botocore.exceptions
        import botocore.session
    except ModuleNotFoundError as error:
        message = "No AWS credentials in the environment, and botocore is not installed: pip install 'persisty[aws]'"
        raise BackendUnavailable(message) from error
    try:
        found: Any = botocore.session.get_session().get_credentials()
    except botocore.exceptions.BotoCoreError as error:
        raise BackendUnavailable("AWS credentials cannot be loaded") from error
    if found is None:
        raise BackendUnavailable("No AWS credentials were found")

    def current() -> Credentials:
        try:
            frozen = found.get_frozen_credentials()
        except botocore.exceptions.BotoCoreError as error:
            raise BackendUnavailable("AWS credentials cannot be refreshed") from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current
