"""The store over the port."""
