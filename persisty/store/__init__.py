"""The store: eight verbs over a narrow backend port."""
