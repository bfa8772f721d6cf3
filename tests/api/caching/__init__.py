"""REST's cache headers, and conditional requests with ETags and times."""
