"""The command line, in this process where that can be, by its real entry where it matters."""
