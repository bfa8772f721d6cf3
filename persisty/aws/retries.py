"""Retries of calls to AWS: which refusals are worth another attempt, and the loop that makes the attempts."""

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
"""Errors worth another attempt."""


class AwsError(Exception):
    """The service refused a call. `kind` is the error's short name, `body` all it said: `Item`, `CancellationReasons`.

    `in_doubt`: an attempt before the refused one may have been carried out without its answer arriving, so that a
    condition may be false because this very call made it so.
    """

    def __init__(self, kind: str, message: str, body: Mapping[str, Any], *, in_doubt: bool = False) -> None:
        self.kind, self.message, self.body, self.in_doubt = kind, message, body, in_doubt
        super().__init__(f"{kind}: {message}")


class Retry(Exception):
    """This attempt failed in a way that another may not.

    `error` is what it ends in if none is left. `in_doubt`: the service may have carried the attempt out all the same.
    """

    def __init__(self, error: PersistyError, *, at_once: bool = False, in_doubt: bool = True) -> None:
        self.error, self.at_once, self.in_doubt = error, at_once, in_doubt
        super().__init__(str(error))


def retrying(attempt_call: Callable[[], X], *, writes: bool, once: bool = False) -> X:
    """Call until the attempt does not raise `Retry`, at most `ATTEMPTS` times with backoff in between.

    `writes`: a lost answer leaves doubt about whether the call took effect. `once`: do not send the call again when it may have taken
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
    """The error of a transient fault that stayed."""
    kind = Throttled if error.kind in THROTTLES else BackendUnavailable
    return kind(f"{service}: {error.kind}")
