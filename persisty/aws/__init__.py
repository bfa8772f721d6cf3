"""AWS's own protocols, for every service that persisty calls: signatures, credentials, HTTP with retries."""
