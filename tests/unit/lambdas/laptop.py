"""An app whose declaration says where it is kept on a laptop."""

from uuid import UUID

from persisty import App, public, stored


@stored(access=public)
class Place:
    id: UUID


app = App("laptop", items=[Place], url="sqlite:///laptop.db", stage="mine")
