"""What mypy and pyright, both strict and without a plugin, make of declarations, filters, links and snippets."""
