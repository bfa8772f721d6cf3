"""Preconditions of a request (RFC 9110, section 13): the headers that name the client's version.

A response has the validators `ETag` and `Last-Modified`. A client sends them back in `If-Match`, `If-Unmodified-Since`, `If-None-Match` and
`If-Modified-Since`, which are evaluated in this order. A malformed date is ignored, and a malformed list of ETags is an empty list.

A compressed response has its own ETag, because its bytes differ: the ETag of the version with `+gzip` before the last quote. In a write it names the
same version. In a GET it does so only if the client accepts gzip. A client that does not accept it needs the uncompressed bytes, which it may not
have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from .negotiation import takes_gzip

CODED = "+gzip"
"""Suffix of a compressed response's ETag, within the quotes."""
WEAK = "W/"
"""Prefix of a weak ETag. Strong comparison, which `If-Match` uses, never accepts one."""
ANY: Literal["*"] = "*"
Tags = Literal["*"] | tuple[str, ...]
"""The value of a header: any version, or ETags with their quotes and `W/`."""

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DIGITS = tuple(f"{number:02}" for number in range(60))
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*", re.ASCII)
_ONE = re.compile(_TAG, re.ASCII)
_MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)
"""The three date formats that a recipient has to accept (RFC 9110, 5.6.7): IMF-fixdate, RFC 850 and asctime."""


class Preconditions(Struct, frozen=True):
    """The values of `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since`. None for an absent header."""

    match: Tags | None = None
    unmodified_since: datetime | None = None
    none_match: Tags | None = None
    modified_since: datetime | None = None

    def of_read(self, tag: str, modified: datetime | None) -> int:
        """Return the status of the response to a GET of this version: 200, 304 or 412."""
        if self.match is not None:
            if not strongly(tag, self.match):
                return 412
        elif self.unmodified_since and modified and seconds(modified) > self.unmodified_since:
            return 412
        if self.none_match is not None:
            return 304 if weakly(tag, self.none_match) else 200
        if self.modified_since and modified and seconds(modified) <= self.modified_since:
            return 304
        return 200


def preconditions(headers: Mapping[str, str], *, reading: bool = False) -> Preconditions | None:
    """Return the preconditions in the headers of a write or a GET, or None."""
    if HEADERS.isdisjoint(headers):
        return None
    match, unmodified_since = headers.get("if-match"), headers.get("if-unmodified-since")
    none_match, modified_since = headers.get("if-none-match"), headers.get("if-modified-since")
    coded = not reading or takes_gzip(headers.get("accept-encoding", ""))
    return Preconditions(_tags(match), _date(unmodified_since), _tags(none_match, coded=coded), _date(modified_since))


HEADERS = frozenset({"if-match", "if-unmodified-since", "if-none-match", "if-modified-since"})


def strongly(tag: str, tags: Tags) -> bool:
    """Return whether the ETag is one of these by strong comparison. A weak ETag never is."""
    return tags == ANY or tag in tags


def weakly(tag: str, tags: Tags) -> bool:
    """Return whether the ETag is one of these by weak comparison."""
    return tags == ANY or any(one.removeprefix(WEAK) == tag for one in tags)


def seconds(moment: datetime) -> datetime:
    """Return the moment in UTC, cut to whole seconds, as in HTTP dates."""
    return moment.astimezone(UTC).replace(microsecond=0)


def http_date(moment: datetime) -> str:
    """Return a moment in the format of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT`."""
    at = moment.astimezone(UTC)
    return f"{_day(at.date())} {DIGITS[at.hour]}:{DIGITS[at.minute]}:{DIGITS[at.second]} GMT"


@lru_cache(maxsize=4096)
def _day(day: date) -> str:
    return f"{DAYS[day.weekday()]}, {day.day:02} {MONTHS[day.month - 1]} {day.year:04}"


def coded_tag(tag: str) -> str:
    """Return the ETag of the compressed response with the same version."""
    return f'{tag[:-1]}{CODED}"'


def _tags(given: str | None, *, coded: bool = True) -> Tags | None:
    """Return the ETags of a header. `coded`: the ETags of compressed responses are replaced by those of the versions that they name."""
    if given is None:
        return None
    if given.strip(" \t") == ANY:
        return ANY
    found = _ONE.findall(given) if _LIST.fullmatch(given) else ()
    return tuple(one.replace(f'{CODED}"', '"') for one in found) if coded else tuple(found)


def _date(given: str | None) -> datetime | None:
    found = next((match for form in _DATES if (match := form.fullmatch(given))), None) if given else None
    if found is None:
        return None
    year, month = int(found["year"]), MONTHS.index(found["month"]) + 1
    if len(found["year"]) == 2:  # a year more than 50 years in the future is one of the past (RFC 9110, 5.6.7)
        now = datetime.now(UTC).year
        year += now - now % 100
        year -= 100 if year > now + 50 else 0
    try:
        # Python has no leap seconds: 60 becomes 59
        return datetime(
            year,
            month,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            min(int(found["second"]), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
