"""The library as an app that a deployed function loads."""

from persisty import App

from .library import Author, Book, House

app = App("library", items=[House, Author, Book], url="memory://", stage="bench")
