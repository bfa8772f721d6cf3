"""The SQL backend's own parts."""
