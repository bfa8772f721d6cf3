"""The compiled triggers that no change of an item causes, see `persisty.triggers.detached`. Inert: this module loads neither zones nor cronsim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from ..errors import Fault
from ..store.trigger_registry import Handler

if TYPE_CHECKING:
    from .messages import Signature
    from .schedules import Schedule
    from .timed import CatchUp


class Timed(Struct, frozen=True):
    """A timed action. `schedule`: of all its timers."""

    action: str
    schedule: Schedule
    catch_up: CatchUp


class QueueAction(Struct, frozen=True):
    """The action that handles the messages of a queue."""

    action: str
    signature: Signature


class Detached(Struct, frozen=True):
    """The timers, scheduled calls by action, and queues by name. `handlers`: action → the handler of its events. `faults`: of their declarations; nothing may run if
    there are any."""

    timed: Sequence[Timed] = ()
    scheduled: Mapping[str, Signature] = {}
    queues: Mapping[str, QueueAction] = {}
    handlers: Mapping[str, Handler] = {}
    faults: Sequence[Fault] = ()


NONE_DETACHED = Detached()
