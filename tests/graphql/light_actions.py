"""The action of the light app."""

from __future__ import annotations

from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET

from persisty import everyone


@action(access_control=everyone, triggers=WEB_GET)
def shout(text: str) -> str:
    return text.upper()
