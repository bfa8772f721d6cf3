"""Password digests by argon2, the winner of the Password Hashing Competition, with its library's own parameters."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()


def digest(password: str) -> str:
    """Return the digest to store for a password."""
    return HASHER.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Return whether the password matches the digest. Without a digest, take as long and return False."""
    try:
        HASHER.verify(stored or _digest_without_password(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _digest_without_password() -> str:
    return digest("no user has this password")
