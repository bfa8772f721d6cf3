"""The real files of OpenFlights, imported by the real command, queried, and compared with plain Python over the files."""
