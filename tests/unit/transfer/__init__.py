"""Rows of files: read, typed and loaded, without a command line."""
