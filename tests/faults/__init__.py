"""What goes wrong on the way to an engine, on purpose."""
