"""Deployment: the plan of an app as plain data, and the commands that use it."""
