"""The command line, run in this process if possible, and by its entry point if necessary."""
