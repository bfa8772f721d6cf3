"""An app whose handler appends each event to the file of `EVENTS`, for processes that tests start. An event of the text `bad` fails for good."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from persisty import App, Attr, public, stored
from persisty.store.trigger_registry import AfterTrigger, Handler


@stored(access=public)
class Memo:
    id: Attr[str]
    text: Attr[str] = Attr(default="")


class Recorder:
    stores = frozenset({"memo"})

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return (AfterTrigger("record"),)

    def handler(self, action: str) -> Handler | None:
        return Handler(record, pause=0.01, attempts=2) if action == "record" else None


def record(event: Any) -> None:
    if event.after is not None and event.after.text == "bad":
        raise ValueError("it is bad")
    with Path(os.environ["EVENTS"]).open("a") as file:
        file.write(f"{event.kind} {event.key}\n")


app = App("memos", items=[Memo], url=os.environ.get("RECORDING_URL", "memory://"), idempotency=None)
app.triggers = Recorder()
