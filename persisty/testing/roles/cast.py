"""The roles of the suite, each with the credentials that a host would have verified."""

from __future__ import annotations

from msgspec import Struct

from persisty import ANONYMOUS, Caller


class Role(Struct, frozen=True):
    """One role. `caller` is None for trusted code, to which no rule applies."""

    name: str
    caller: Caller | None = None
    tenants: tuple[str, ...] = ()
    admin: bool = False

    @property
    def subject(self) -> str | None:
        return None if self.caller is None else self.caller.subject

    @property
    def trusted(self) -> bool:
        return self.caller is None

    def __str__(self) -> str:
        return self.name


def _member(name: str, subject: str, *tenants: str) -> Role:
    return Role(name, Caller(subject, claims={"tenants": list(tenants)}), tenants)


FULL = Role("full", admin=True)
OWNER = Role("owner", Caller("ann"))
OUTSIDER = Role("outsider", Caller("zoe", frozenset({"reader"}), {"tenants": []}))
ANYBODY = Role("anonymous", ANONYMOUS)
MEMBER = _member("member", "max", "red")
ADMINISTRATOR = Role("admin", Caller("root", frozenset({"admin", "reader"})), admin=True)
ROLES = (
    ANYBODY,
    OUTSIDER,
    OWNER,
    Role("other", Caller("bob", claims={"tenants": "blue"}), ("blue",)),
    MEMBER,
    ADMINISTRATOR,
    FULL,
)
RESTRICTED = tuple(one for one in ROLES if not one.trusted)
"""The roles to which rules apply."""
