"""Eleven linked items with messy data, loaded into every engine. Query results are compared with plain Python over the same rows."""
