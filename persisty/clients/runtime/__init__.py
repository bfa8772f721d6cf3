"""What every client brings along, whatever the app: code that writers copy into the clients they write. Nothing here is imported."""
