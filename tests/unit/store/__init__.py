"""The verbs over the port, and the app."""
