"""Retries of calls to AWS: the errors after which a call is repeated, and the loop that repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import sleep
from typing import Any, TypeVar

from ..backoff import ATTEMPTS, backoff
from ..errors import BackendUnavailable, PersistyError, Throttled

X = TypeVar("X")

THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottledException",
        "TransactionInProgressException",
    }
)
TRANSIENT = THROTTLES | {"InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"}
"""Errors after which a call is repeated."""


class AwsError(Exception):
    """The service rejected a call. `kind` is the error's short name, `body` the whole response: `Item`, `CancellationReasons`.

    `in_doubt`: the response to an earlier attempt was lost, and that attempt may have taken effect. A condition may then be
    false because of this very call.
    """

    def __init__(self, kind: str, message: str, body: Mapping[str, Any], *, in_doubt: bool = False) -> None:
        self.kind, self.message, self.body, self.in_doubt = kind, message, body, in_doubt
        super().__init__(f"{kind}: {message}")


class Retry(Exception):
    """An attempt failed, and another may succeed.

    `error` is raised if no attempt is left. `in_doubt`: the attempt may have taken effect.
    """

    def __init__(self, error: PersistyError, *, at_once: bool = False, in_doubt: bool = True) -> None:
        self.error, self.at_once, self.in_doubt = error, at_once, in_doubt
        super().__init__(str(error))


def retrying(attempt_call: Callable[[], X], *, writes: bool, once: bool = False) -> X:
    """Call until the attempt does not raise `Retry`, at most `ATTEMPTS` times with backoff in between.

    `writes`: the call writes, so after a lost response it may have taken effect. `once`: do not repeat a call that may have taken
    effect. The error of such a call has `in_doubt` in its details.
    """
    in_doubt = False
    for attempt in range(ATTEMPTS):
        try:
            return attempt_call()
        except AwsError as refused:
            refused.in_doubt = in_doubt
            raise
        except Retry as retry:
            in_doubt = writes and (in_doubt or retry.in_doubt)
            if attempt == ATTEMPTS - 1 or (once and in_doubt):
                if in_doubt:
                    retry.error.details["in_doubt"] = True
                raise retry.error from retry.__cause__
            if not retry.at_once:
                sleep(backoff(attempt))
    raise BackendUnavailable()


def exhausted(error: AwsError, service: str = "DynamoDB") -> PersistyError:
    """Return the error of a transient fault that did not pass."""
    kind = Throttled if error.kind in THROTTLES else BackendUnavailable
    return kind(f"{service}: {error.kind}")
