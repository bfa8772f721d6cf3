"""Roles and leaks, over every engine of this project."""
