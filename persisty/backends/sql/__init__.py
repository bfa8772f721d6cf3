"""Items in SQL tables. SQLAlchemy Core compiles each statement once; the driver runs the compiled text."""
