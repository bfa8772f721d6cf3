"""The core on its own: declarations, validation, keys, filters, cursors, the store over memory."""
