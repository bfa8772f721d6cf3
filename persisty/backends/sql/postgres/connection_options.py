"""Options of libpq in an engine's URL: their defaults, and checks of the values that libpq itself reports only when it connects.

There, an invalid value could not be told from a server that cannot be reached, and would be tried again.

Source: PostgreSQL's documentation, 34.1.2, Parameter Key Words. libpq refuses unknown names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....errors import Fault

LIBPQ = {"connect_timeout": "5", "application_name": "persisty", "keepalives_idle": "60", "tcp_user_timeout": "30000"}
"""Defaults for libpq, which the URL can override: seconds, except for the last, which is in milliseconds."""
REQUIREMENT = ("disable", "prefer", "require")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "channel_binding": REQUIREMENT,
    "gssencmode": REQUIREMENT,
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
}
"""Option → the values that libpq accepts."""
NUMBERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)
"""Options that are whole numbers."""
LAST_PORT = 65_535


def option_faults(options: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the faults of the options of a connection. An empty value is the default."""
    for name, value in options.items():
        if not value:
            continue
        choices = CHOICES.get(name)
        if choices is not None and value not in choices:
            yield Fault(f"/url/{name}", "Not a value of this option", "one of " + ", ".join(choices), value[:32])
        elif name in NUMBERS and not _is_number(value.removeprefix("-")):
            yield Fault(f"/url/{name}", "Not a whole number", "a number", value[:32])
        elif name == "port" and not all(map(_is_port, value.split(","))):
            yield Fault("/url/port", "Not a port", f"1 to {LAST_PORT}", value[:32])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_port(text: str) -> bool:
    return not text or (_is_number(text) and 1 <= int(text[:8]) <= LAST_PORT)
