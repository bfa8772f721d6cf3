"""The surfaces on a server of one's own: ASGI, pages, and the process around them."""
