"""Eleven linked items with data as messy as life, loaded into every engine and asked: the answers are those of plain Python over the same rows."""
