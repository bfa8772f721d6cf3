"""Parts of the SQL backend."""
