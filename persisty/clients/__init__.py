"""Typed clients: generated source code in Python or TypeScript, from the operations of an app."""
