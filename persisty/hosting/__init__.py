"""The hosted server: ASGI, pages, logs, metrics, rate limits, readiness and shutdown."""
