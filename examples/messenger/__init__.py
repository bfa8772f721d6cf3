"""Messenger: the example app."""
