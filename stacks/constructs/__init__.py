"""Constructs that stacks share."""
