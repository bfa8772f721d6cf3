"""Airlines, airports and routes of OpenFlights (openflights.org/data), with constraints for valid rows.

The constraints reject only what is certainly wrong: a code with a length or an alphabet that its authority never assigns, a text
that starts with a blank (its row was cut at a comma of the name, and every later column is shifted), a time zone that no country
has. Odd rows are accepted.
"""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta

from persisty import App, Index, read_only, stored

Number = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$")]
"""Text that is not empty, does not start with a blank, and has no control characters."""


class DaylightSaving(enum.Enum):
    """The rules for summer time of a place."""

    EUROPE = "E"
    AMERICA = "A"
    SOUTH_AMERICA = "S"
    AUSTRALIA = "O"
    NEW_ZEALAND = "Z"
    NONE = "N"
    UNKNOWN = "U"


@stored(indexes=[Index("iata"), Index("country", "name")], access=read_only)
class Airline:
    """An airline, active or not. Its codes are not unique: those of former airlines are assigned again."""

    id: Number
    name: Text
    alias: Text | None = None
    iata: Annotated[str, Meta(pattern="^[A-Z0-9]{2}$")] | None = None
    icao: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    callsign: Text | None = None
    country: Text | None = None
    active: bool


@stored(indexes=[Index("country", "city"), Index("iata")], access=read_only)
class Airport:
    """An airport. `utc_offset` is in hours, `altitude` in feet. A local airport may have a local code instead of ICAO's."""

    id: Number
    name: Text
    city: Text | None = None
    country: Text
    iata: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    icao: Annotated[str, Meta(pattern="^[A-Z0-9]{4}$")] | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    altitude: Annotated[int, Meta(ge=-1_500, le=30_000)]
    utc_offset: Annotated[float, Meta(ge=-12, le=14, multiple_of=0.25)] | None = None
    daylight_saving: DaylightSaving | None = None
    time_zone: str | None = None


@stored(
    key=("airline", "source", "destination"),
    indexes=[Index("source", "destination"), Index("destination", "airline")],
    access=read_only,
)
class Route:
    """A route of an airline between two airports. The codes identify it; the ids are missing in places."""

    airline: Annotated[str, Meta(pattern="^[A-Z0-9]{2,3}$")]
    airline_id: Number | None = None
    source: Annotated[str, Meta(pattern="^[A-Z0-9]{3,4}$")]
    source_id: Number | None = None
    destination: Annotated[str, Meta(pattern="^[A-Z0-9]{3,4}$")]
    destination_id: Number | None = None
    codeshare: bool = False
    stops: Annotated[int, Meta(ge=0)]
    equipment: str | None = None


app = App("flights", items=[Airline, Airport, Route])
