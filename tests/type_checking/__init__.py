"""Declarations, filters, links and snippets, checked by mypy and pyright, both strict and without a plugin."""
