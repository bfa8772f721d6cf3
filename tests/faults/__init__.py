"""Faults injected between the client and an engine."""
