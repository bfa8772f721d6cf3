"""PostgreSQL: the engine, its pool of connections, its kinds of column, and writes that tell in one statement what became of them."""
