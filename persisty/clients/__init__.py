"""Clients: from an app's operations, the text of a typed client in another program's language."""
