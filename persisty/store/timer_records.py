"""Timer records: one item for each timed action, in the app's own engine. `persisty.triggers.timers` reads and writes them."""

from __future__ import annotations

from datetime import datetime

from ..model.attribute_declaration import Attr
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..naming import RESERVED


@stored(name=f"{RESERVED}timer", key="action")
class TimerRecord:
    """The state of a timed action.

    `action`: its name. `schedule`: the text of the schedule that the last process to start had. `decided`: all fires up to this instant have become
    events or were skipped, so the next fire is the first one after it.
    """

    action: Attr[str]
    schedule: Attr[str]
    decided: Attr[datetime]


TIMERS: StoreMeta[TimerRecord] = meta_of(TimerRecord)
