"""Passwords as digests by argon2, the winner of the Password Hashing Competition, with its library's own parameters."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()


def digest(password: str) -> str:
    """What is stored of a password."""
    return HASHER.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Is it the password? Without a digest it takes as long to say no."""
    try:
        HASHER.verify(stored or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _nobodys() -> str:
    return digest("nobody has this password")
