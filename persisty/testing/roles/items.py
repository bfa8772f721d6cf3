"""The declarations that the role suite stores: an item for each kind of rule, and links of every kind between them.

`Diary` is its owner's, `Ledger` a tenant's, `Article` everybody's once it is published, and a `Comment` can be read where its article
can; a `Profile` hides some of its attributes, `Vault` is private, `Notice` public. Indexes lead over attributes that are hidden.
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
    """Its owner's, and no one else's but the administrator's."""

    id: str
    owner_id: str
    text: str = ""
    rank: int = 0
    profile_id: str | None = None
    profile: BelongsTo["Profile"]


@stored(access=member("tenant", claim="tenants") | ADMIN, indexes=[Unique("tenant", "code")])
class Ledger:
    """A tenant's. It counts its versions."""

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
    """Everybody's to read once it is published; its reviewer is for its owner to know."""

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
    """Read where its article is published, and deleted by whose article it is, too."""

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
    """Everybody's to read but for some attributes: an e-mail for its owner, a score and a realm for administrators, a digest for no
    one."""

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
    """Private."""

    id: str
    text: str = ""
    profile_id: str | None = None
    profile: BelongsTo["Profile"]


@stored(access=public)
class Notice:
    """Public, to write, too."""

    id: str
    text: str = ""
    rank: int = 0
    diary_id: str | None = None
    diary: BelongsTo["Diary"] = link(on_delete="nullify")


@stored(access=member("tenant", claim="tenants") | ADMIN)
class Team:
    """A tenant's, at the far end of a link through another item."""

    id: str
    tenant: str
    text: str = ""
    profiles: HasMany["Profile"] = link(through="Enrolment")


@stored(access=Access(read=OWN | ADMIN))
class Enrolment:
    """Of a profile in a team: known to its owner."""

    id: str
    owner_id: str
    profile_id: str
    team_id: str
    profile: BelongsTo["Profile"]
    team: BelongsTo["Team"]


ITEMS = (Diary, Ledger, Article, Comment, Profile, Vault, Notice, Team, Enrolment)
