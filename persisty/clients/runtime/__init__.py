"""Code that the writers copy into every client, whatever the app. Nothing here is imported."""
