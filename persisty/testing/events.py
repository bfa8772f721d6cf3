"""Handle events in a test: `drain(app)` calls the handlers of all changes and messages so far, and `drain(app, until=…)` moves the time on."""

from ..application.working import drain

__all__ = ["drain"]
