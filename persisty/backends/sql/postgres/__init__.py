"""PostgreSQL: the engine, its pool of connections, its kinds of column, and writes that return their result in the same statement."""
