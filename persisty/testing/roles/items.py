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

    id: str
    owner_id: str
    text: str = ""
    rank: int = 0
    profile_id: str | None = None
    profile: BelongsTo["Profile"]


@stored(access=member("tenant", claim="tenants") | ADMIN, indexes=[Unique("tenant", "code")])
class Ledger:
    """An item of a tenant, with a version."""

    id: str
    tenant: str
    code: str | None = None
    text: str = ""
    amount: int = 0
    version: int = Attr(generator=VERSION)


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

    id: str
    owner_id: str
    text: str = ""
    published: bool = False
    rank: int = 0
    profile_id: str | None = None
    reviewer_id: str | None = Attr(default=None, readable=OWN | ADMIN)
    profile: BelongsTo["Profile"]
    reviewer: BelongsTo["Profile"]
    comments: HasMany["Comment"]
    comment_count: HasCount["Comment"]


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

    id: str
    owner_id: str
    text: str = ""
    article_id: str
    article: BelongsTo["Article"] = link(on_delete="cascade")


@stored(
    access=Access(read=everyone, create=OWN | ADMIN, update=OWN | ADMIN, delete=ADMIN),
    indexes=[Unique("badge", "realm"), Index("owner_id", "score")],
)
class Profile:
    """An item that every caller may read, except some attributes.

    The owner sees the e-mail, administrators see the score and the realm, no caller sees the digest.
    """

    id: str
    owner_id: str
    text: str = ""
    email: str | None = Attr(default=None, readable=OWN | ADMIN)
    score: int = Attr(default=0, readable=ADMIN, creatable=ADMIN, updatable=ADMIN)
    digest: str | None = Attr(default=None, readable=False, creatable=False, updatable=False)
    badge: str | None = None
    realm: str | None = Attr(default=None, readable=ADMIN)
    articles: HasMany["Article"] = link(by="profile_id")
    article_count: HasCount["Article"] = link(by="profile_id")
    reviews: HasMany["Article"] = link(by="reviewer_id")
    review_count: HasCount["Article"] = link(by="reviewer_id")
    diaries: HasMany["Diary"]
    diary: HasOne["Diary"]
    diary_count: HasCount["Diary"]
    vaults: HasMany["Vault"]
    teams: HasMany["Team"] = link(through="Enrolment")
    team_count: HasCount["Team"] = link(through="Enrolment")


@stored
class Vault:
    """A private item."""

    id: str
    text: str = ""
    profile_id: str | None = None
    profile: BelongsTo["Profile"]


@stored(access=public)
class Notice:
    """A public item that every caller may also write."""

    id: str
    text: str = ""
    rank: int = 0
    diary_id: str | None = None
    diary: BelongsTo["Diary"] = link(on_delete="nullify")


@stored(access=member("tenant", claim="tenants") | ADMIN)
class Team:
    """An item of a tenant, at the far end of a link through a join item."""

    id: str
    tenant: str
    text: str = ""
    profiles: HasMany["Profile"] = link(through="Enrolment")


@stored(access=Access(read=OWN | ADMIN))
class Enrolment:
    """The join item of a profile and a team, which only the owner may read."""

    id: str
    owner_id: str
    profile_id: str
    team_id: str
    profile: BelongsTo["Profile"]
    team: BelongsTo["Team"]


ITEMS = (Diary, Ledger, Article, Comment, Profile, Vault, Notice, Team, Enrolment)
