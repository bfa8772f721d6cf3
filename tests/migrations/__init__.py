"""Migrations under load. `make migrations` runs them with more items and writers than `make test` does."""
