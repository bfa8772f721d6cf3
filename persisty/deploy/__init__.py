"""Deployment: the plan of an app as plain data, and what acts on it."""
