"""The real files of OpenFlights, imported by the real command, asked, and compared with plain Python over the files."""
