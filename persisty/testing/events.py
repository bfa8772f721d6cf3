"""Handle the events of after triggers in a test: `drain(app)` calls the handlers of all changes so far."""

from ..application.working import drain

__all__ = ["drain"]
