"""Queries: parse filters and orders, resolve them against an item, evaluate them locally, and resume them from cursors."""
