"""The items that the role suite stores: one for each kind of rule, and links of every kind between them.

A `Diary` belongs to its owner, a `Ledger` to a tenant. Every caller may read an `Article` once it is published, and a `Comment` if its
article is published. A `Profile` hides some of its attributes. `Vault` is private, `Notice` is public. Indexes contain hidden
attributes.
"""

from persisty import (
    VERSION,
    Access,
    Attr,
    BelongsTo,
    HasCount,
    HasMany,
    HasOne,
    Index,
    Unique,
    everyone,
    link,
    linked,
    member,
    owned,
    public,
    scope,
    stored,
    where,
)

ADMIN = scope("admin")
OWN = owned("owner_id")


@stored(access=OWN | ADMIN, indexes=[Index("owner_id", "rank")])
class Diary:
    """An item for its owner and administrators."""

    id: Attr[str]
    owner_id: Attr[str]
    text: Attr[str] = Attr(default="")
    rank: Attr[int] = Attr(default=0)
    profile_id: Attr[str | None] = Attr(default=None)
    profile: BelongsTo["Profile"] = link()


@stored(access=member("tenant", claim="tenants") | ADMIN, indexes=[Unique("tenant", "code")])
class Ledger:
    """An item of a tenant, with a version."""

    id: Attr[str]
    tenant: Attr[str]
    code: Attr[str | None] = Attr(default=None)
    text: Attr[str] = Attr(default="")
    amount: Attr[int] = Attr(default=0)
    version: Attr[int] = VERSION


@stored(
    access=Access(
        read=where(published=True) | OWN | ADMIN,
        create=OWN | ADMIN,
        update=OWN | ADMIN,
        delete=(OWN & ~where(published=True)) | ADMIN,
    ),
    indexes=[Index("owner_id", "rank"), Index("published", "rank")],
)
class Article:
    """An item that every caller may read once it is published. Only its owner sees the reviewer."""

    id: Attr[str]
    owner_id: Attr[str]
    text: Attr[str] = Attr(default="")
    published: Attr[bool] = Attr(default=False)
    rank: Attr[int] = Attr(default=0)
    profile_id: Attr[str | None] = Attr(default=None)
    reviewer_id: Attr[str | None] = Attr(default=None, readable=OWN | ADMIN)
    profile: BelongsTo["Profile"] = link()
    reviewer: BelongsTo["Profile"] = link()
    comments: HasMany["Comment"] = link()
    comment_count: HasCount["Comment"] = link()


@stored(
    access=Access(
        read=linked("article", where(published=True)) | OWN | ADMIN,
        create=(linked("article", where(published=True)) & OWN) | ADMIN,
        update=OWN | ADMIN,
        delete=linked("article", owned("owner_id")) | OWN | ADMIN,
    )
)
class Comment:
    """An item that callers may read if its article is published. The article's owner may delete it too."""

    id: Attr[str]
    owner_id: Attr[str]
    text: Attr[str] = Attr(default="")
    article_id: Attr[str]
    article: BelongsTo["Article"] = link(on_delete="cascade")


@stored(
    access=Access(read=everyone, create=OWN | ADMIN, update=OWN | ADMIN, delete=ADMIN),
    indexes=[Unique("badge", "realm"), Index("owner_id", "score")],
)
class Profile:
    """An item that every caller may read, except some attributes.

    The owner sees the e-mail, administrators see the score and the realm, no caller sees the digest.
    """

    id: Attr[str]
    owner_id: Attr[str]
    text: Attr[str] = Attr(default="")
    email: Attr[str | None] = Attr(default=None, readable=OWN | ADMIN)
    score: Attr[int] = Attr(default=0, readable=ADMIN, creatable=ADMIN, updatable=ADMIN)
    digest: Attr[str | None] = Attr(default=None, readable=False, creatable=False, updatable=False)
    badge: Attr[str | None] = Attr(default=None)
    realm: Attr[str | None] = Attr(default=None, readable=ADMIN)
    articles: HasMany["Article"] = link(by="profile_id")
    article_count: HasCount["Article"] = link(by="profile_id")
    reviews: HasMany["Article"] = link(by="reviewer_id")
    review_count: HasCount["Article"] = link(by="reviewer_id")
    diaries: HasMany["Diary"] = link()
    diary: HasOne["Diary"] = link()
    diary_count: HasCount["Diary"] = link()
    vaults: HasMany["Vault"] = link()
    teams: HasMany["Team"] = link(through="Enrolment")
    team_count: HasCount["Team"] = link(through="Enrolment")


@stored
class Vault:
    """A private item."""

    id: Attr[str]
    text: Attr[str] = Attr(default="")
    profile_id: Attr[str | None] = Attr(default=None)
    profile: BelongsTo["Profile"] = link()


@stored(access=public)
class Notice:
    """A public item that every caller may also write."""

    id: Attr[str]
    text: Attr[str] = Attr(default="")
    rank: Attr[int] = Attr(default=0)
    diary_id: Attr[str | None] = Attr(default=None)
    diary: BelongsTo["Diary"] = link(on_delete="nullify")


@stored(access=member("tenant", claim="tenants") | ADMIN)
class Team:
    """An item of a tenant, at the far end of a link through a join item."""

    id: Attr[str]
    tenant: Attr[str]
    text: Attr[str] = Attr(default="")
    profiles: HasMany["Profile"] = link(through="Enrolment")


@stored(access=Access(read=OWN | ADMIN))
class Enrolment:
    """The join item of a profile and a team, which only the owner may read."""

    id: Attr[str]
    owner_id: Attr[str]
    profile_id: Attr[str]
    team_id: Attr[str]
    profile: BelongsTo["Profile"] = link()
    team: BelongsTo["Team"] = link()


ITEMS = (Diary, Ledger, Article, Comment, Profile, Vault, Notice, Team, Enrolment)
