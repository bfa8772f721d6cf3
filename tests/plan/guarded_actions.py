"""An action that only callers with a scope may use."""

from __future__ import annotations

from servey.action.action import action
from servey.security.access_control.scope_access_control import ScopeAccessControl
from servey.trigger.web_trigger import WEB_POST


@action(triggers=WEB_POST, access_control=ScopeAccessControl(execute_scope="admin"))
def wipe() -> bool:
    return True
