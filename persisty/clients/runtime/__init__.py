"""Code that the writers copy into every client. It is the same for all apps, and is not imported."""
