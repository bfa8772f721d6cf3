"""Security: access rules evaluated for a caller, and identity. An item denies what its rules do not allow."""
