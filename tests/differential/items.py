"""The items of the differential run: every referential action, links to the same item, and unique values."""

from __future__ import annotations

from persisty import Attr, BelongsTo, HasMany, Index, Unique, link, stored


@stored(indexes=[Unique("code"), Index("parent_id")])
class Folder:
    """A tree whose children block the delete of their parent, with a unique value."""

    id: Attr[str]
    code: Attr[int | None] = Attr(default=None)
    size: Attr[int] = Attr(default=0)
    parent_id: Attr[str | None] = Attr(default=None)
    parent: BelongsTo[Folder] = link(by="parent_id", on_delete="block")
    pages: HasMany[Page] = link(by="folder_id")


@stored(indexes=[Index("folder_id", "size"), Index("reply_id")])
class Page:
    """A tree whose children are deleted with their parent, and with its folder."""

    id: Attr[str]
    size: Attr[int] = Attr(default=0)
    folder_id: Attr[str | None] = Attr(default=None)
    folder: BelongsTo[Folder] = link(by="folder_id", on_delete="cascade")
    reply_id: Attr[str | None] = Attr(default=None)
    reply: BelongsTo[Page] = link(by="reply_id", on_delete="cascade")
    tags: HasMany[Tag] = link(by="page_id")


@stored(indexes=[Index("page_id")])
class Tag:
    """An item with a link that is set to null, and a link that is ignored, when the target is deleted."""

    id: Attr[str]
    size: Attr[int] = Attr(default=0)
    page_id: Attr[str | None] = Attr(default=None)
    page: BelongsTo[Page] = link(by="page_id", on_delete="nullify")
    folder_id: Attr[str | None] = Attr(default=None)
    folder: BelongsTo[Folder] = link(by="folder_id")


@stored(indexes=[Index("page_id")])
class Pin:
    """An item that blocks the delete of its page, unless it is deleted with its folder."""

    id: Attr[str]
    size: Attr[int] = Attr(default=0)
    page_id: Attr[str | None] = Attr(default=None)
    page: BelongsTo[Page] = link(by="page_id", on_delete="block")
    folder_id: Attr[str | None] = Attr(default=None)
    folder: BelongsTo[Folder] = link(by="folder_id", on_delete="cascade")


ITEMS = (Folder, Page, Tag, Pin)
