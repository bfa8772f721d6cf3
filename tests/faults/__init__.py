"""Faults on the way to an engine, injected on purpose."""
