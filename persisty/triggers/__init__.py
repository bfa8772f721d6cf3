"""Triggers: events of changes, and the workers that call their handlers."""
