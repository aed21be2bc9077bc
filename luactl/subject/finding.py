"""People whose data a tenant keeps: find one, show where the data lie, keep one from being erased meanwhile.

Owns the search over blind indexes and their width. It shows no more of a person than was recorded first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..key.blind import Indexer
    from ..tenant import Tenant
    from .sealed import Table

Kind = Literal["email", "phone", "name", "external_id"]
NAME_FIELDS = ("name", "first_name", "last_name", "company")
EMAIL_FIELDS = ("email", "login")
"""Many sign in to the CRM with their address."""
PHONE_FIELDS = ("phone", "mobile", "fax")
PAGE = 5_000
LONGEST = 1_000
_FIRST = UUID(int=0)


@dataclass(frozen=True)
class Found:
    """A person who answers to the identity that was asked for."""

    subject_id: UUID
    """The subject."""
    status: str
    """active; an erased subject has nothing left to be found by."""
    contact_id: UUID | None
    """The contact that it was found in; None for a user of the CRM."""
    name: str | None
    """As opened."""
    email: str | None
    """As opened."""
    user_id: UUID | None = None
    """The user of the CRM that it was found in; None for a contact."""


@dataclass(frozen=True)
class Holding:
    """Rows about one person in one table and period."""

    table: str
    """With its schema."""
    rows: int
    """How many."""
    key_class: str | None
    """Class of the subject's key that they are sealed under; None where nothing is sealed."""
    retention_class: str
    """Which deletion rule they follow."""
    period: int | None
    """Month (yyyymm) or year (yyyy) in which their clock starts; None for what does not age by itself."""
    retained: bool
    """Whether only a legal duty keeps them, for bookkeeping alone."""


@dataclass(frozen=True)
class Whereabouts:
    """Where one person's data lie. No plaintext."""

    subject_id: UUID
    """The subject."""
    status: str
    """active or erased."""
    created_at: datetime
    """When the tenant began to keep data about this person."""
    erased_at: datetime | None
    """When the person was erased."""
    living_keys: tuple[str, ...]
    """Classes of which the person's key still opens something."""
    holdings: tuple[Holding, ...]
    """Rows by table and period."""


def indexes(indexer: Indexer, fields: Mapping[str, Any]) -> tuple[int | None, list[int], list[int]]:
    """Return the e-mail, phone and name index of a contact's fields."""
    return (
        indexer.email(fields.get("email")),
        indexer.phones(fields.get(field) for field in PHONE_FIELDS),
        indexer.names(fields.get(field) for field in NAME_FIELDS),
    )


def named(values: tuple[int | None, list[int], list[int]]) -> dict[str, Any]:
    """Return indexes by the columns that hold them."""
    return dict(zip(("email_index", "phone_index", "name_index"), values, strict=True))


def display_name(fields: Mapping[str, Any]) -> str | None:
    """Return what a contact is called: the full name, else its parts, else the company."""
    parts = " ".join(fields[part] for part in ("first_name", "last_name") if fields.get(part))
    return fields.get("name") or parts or fields.get("company")


@dataclass(frozen=True)
class Wanted:
    """An identity that somebody looks for, in its normal form."""

    kind: Kind
    """What it is."""
    value: str
    """As given. Never logged, never sent to the server."""
    region: str
    """Country whose national phone numbers are meant."""
    normal: str | tuple[str, ...]
    """One form; of a name its words."""

    def as_fields(self) -> dict[str, str]:
        """Return it as a row with that identity only."""
        return {self.kind: self.value}

    def matches(self, fields: Mapping[str, Any]) -> bool:
        """Say whether opened fields really have the identity: indexes only narrow the search."""
        from ..key import blind

        if self.kind == "email":
            return any(blind.normalise_email(fields.get(one) or "") == self.normal for one in EMAIL_FIELDS)
        if self.kind == "phone":
            numbers = (fields.get(field) for field in PHONE_FIELDS)
            return any(blind.normalise_phone(one, self.region) == self.normal for one in numbers if one)
        if self.kind == "name":
            names = " ".join(fields[field] for field in NAME_FIELDS if fields.get(field))
            return set(self.normal) <= set(blind.name_tokens(names))
        return True  # an external id is unique, and its digest has full width


def wanted(kind: Kind, value: str, region: str) -> Wanted:
    """Bring an identity into its normal form. Raises UsageError, which does not repeat it, if it has none."""
    from ..key import blind

    if kind not in get_args(Kind):
        raise UsageError(f"nobody is found by {kind!r}", hint=f"one of {', '.join(get_args(Kind))}")
    if len(value) > LONGEST or not value.isprintable():
        raise UsageError(
            f"that is no {kind.replace('_', ' ')}", hint=f"one line of at most {LONGEST} characters"
        )
    normal: str | tuple[str, ...] | None
    if kind == "email":
        normal, hint = blind.normalise_email(value), "somebody@somewhere"
    elif kind == "phone":
        normal, hint = blind.normalise_phone(value, region), f"a valid number, national ones as in {region}"
    elif kind == "name":
        normal, hint = blind.name_tokens(value), "one or more words"
    else:
        normal, hint = blind.normalise_external(value), "the id that the import gave"
    if not normal:
        raise UsageError(f"that is no {kind.replace('_', ' ')}", hint=hint)
    return Wanted(kind, value, region, normal)


def find(
    session: Session, tenant: Tenant, kind: Kind, value: str, *, purpose: str, users: bool = True
) -> list[Found]:
    """Return those who answer to an identity, oldest first: contacts, and with `users` users of the CRM.

    The search is recorded before anything opens, and the people found before they are shown. Raises
    UsageError for a malformed identity or an empty purpose, RefusedError where keys are out of reach.
    """
    from ..key import open_tenant
    from .sealed import CONTACT, USER

    sought, tenant_id = wanted(kind, value, tenant.country), tenant.tenant_id
    if not purpose.strip():
        raise UsageError("a purpose is needed: the ledger keeps why somebody was looked for")
    tables = (CONTACT, USER) if users else (CONTACT,)
    with transaction(session, tenant_id):
        keys = open_tenant(session, tenant_id)
        asked = [(table, searches(session, tenant_id, sought, keys, table)) for table in tables]
        _record_search(session, tenant_id, sought, [one for _, each in asked for one in each], purpose)
    found: list[tuple[UUID, Found]] = []
    for table, each in asked:
        found += _found(session, tenant_id, keys, table, each, sought, purpose)
    return [one for _row_id, one in sorted(found, key=lambda one: one[0])]


def _found(
    session: Session, tenant_id: int, keys: TenantKeys, table: Table, asked: list[Search], sought: Wanted,
    purpose: str,
) -> list[tuple[UUID, Found]]:  # fmt: skip
    """Return whom the searches in one table really found, with the row that each was found in."""
    from .sealed import CONTACT

    rows = (row for search in asked for row in search.rows())
    hits = [hit for hit in opened(session, tenant_id, keys, table, rows) if sought.matches(hit[1])]
    recorded = _record_hits(session, tenant_id, keys, table, [row[1] for row, _ in hits], purpose)
    ours = table == CONTACT
    return [
        (
            row_id,
            Found(
                subject_id, status, row_id if ours else None, display_name(fields), fields.get("email"),
                None if ours else row_id,
            ),
        )
        for (row_id, subject_id, status, _), fields in hits
        if subject_id in recorded
    ]  # fmt: skip


@dataclass(frozen=True)
class Search:
    """Candidates of one width version (or of an external id), counted, and read page by page."""

    count: int
    pages: Callable[[UUID], list[Any]]

    def rows(self) -> Iterator[Any]:
        """Return row id, subject, its status and the sealed value of each."""
        after = _FIRST
        while page := self.pages(after):
            yield from page
            after = page[-1][0]


def searches(
    session: Session, tenant_id: int, sought: Wanted, keys: TenantKeys, table: Table
) -> list[Search]:
    """Return where somebody may be in a table, in the open transaction: one search for each width there is.

    Users of the CRM have no phone number and no external id.
    """
    from ..key import blind
    from .sealed import USER

    q, digest = queries("subject"), None
    if table == USER and sought.kind in ("phone", "external_id"):
        return []
    if sought.kind == "external_id":
        external = blind.external_digest(keys.unique_key, sought.value)
        rows = list(q.by_digest(session.conn, tenant_id=tenant_id, digest=external))
        return [Search(len(rows), lambda after: rows if after == _FIRST else [])]
    if table == USER and sought.kind == "email":
        digest = blind.login_digest(keys.unique_key, sought.value)
    versions = [row[0] for row in getattr(q, f"versions_{table.query}")(session.conn, tenant_id=tenant_id)]
    return [
        _search(session, tenant_id, sought, table, blind.Indexer(keys.index_key, v, sought.region), digest)
        for v in versions
    ]


def _search(
    session: Session, tenant_id: int, sought: Wanted, table: Table, indexer: Indexer, digest: bytes | None
) -> Search:
    q = queries("subject")
    match = {
        "tenant_id": tenant_id, "version": indexer.widths.version, "login_digest": digest,
        **named(indexes(indexer, sought.as_fields())),
    }  # fmt: skip
    ask = getattr(q, f"candidates_{table.query}")

    def page(after: UUID) -> list[Any]:
        with transaction(session, tenant_id) as conn:
            return list(ask(conn, after=after, limit=PAGE, **match))

    return Search(getattr(q, f"count_candidates_{table.query}")(session.conn, **match), page)


def _record_search(
    session: Session, tenant_id: int, sought: Wanted, asked: Iterable[Search], purpose: str
) -> None:
    from ..ledger import Entry, append

    candidates = sum(search.count for search in asked)
    detail = {"by": sought.kind, "candidates": candidates, "command": session.command}
    append(session, Entry("subject.find", tenant_id, "table:crm.subject", purpose=purpose, detail=detail))


def opened(
    session: Session, tenant_id: int, keys: TenantKeys, table: Table, rows: Iterable[Any]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open rows of (row id, subject_id, …, personal) in this process only; whoever is erased is left out."""
    from itertools import islice

    from ..key.classes import KeyClass, RetentionClass
    from ..key.seal import unseal

    source = iter(rows)
    while batch := list(islice(source, PAGE)):
        with transaction(session, tenant_id):
            subject_keys = keys.subjects([row[1] for row in batch], KeyClass.MAIN)
            period = keys.existing_period(RetentionClass.CONTACT, 0)
        for row in batch:
            key = subject_keys.get(row[1])
            if key is not None and period is not None:  # else erased since the row was read
                yield row, unseal(row[3], table.place(tenant_id, row[1], row[0]), key, period)


def _record_hits(
    session: Session, tenant_id: int, keys: TenantKeys, table: Table, people: list[UUID], purpose: str
) -> set[UUID]:
    """Record whose data will be shown and return them; whoever was erased meanwhile is left out."""
    from ..ledger import record_read, references

    known = references(session, keys, tenant_id, people)
    record_read(
        session, tenant_id, [known[one] for one in dict.fromkeys(people) if one in known], purpose,
        f"table:{table.table}",
    )  # fmt: skip
    return set(known)


def show(session: Session, tenant: Tenant, subject_id: UUID) -> Whereabouts:
    """Return where one person's data lie, without opening any. Raises NotFoundError."""
    from ..key.classes import KeyClass

    q, scope = queries("subject"), {"tenant_id": tenant.tenant_id, "subject_id": subject_id}
    with transaction(session, tenant.tenant_id) as conn:
        row = q.subject(conn, **scope)
        if row is None:
            raise _unknown([subject_id])
        living = tuple(KeyClass(number).label for (number,) in q.key_classes(conn, **scope))
        holdings = tuple(_holding(*one) for one in q.whereabouts(conn, **scope))
    return Whereabouts(row[0], row[1], row[2], row[3], living, holdings)


_KINDS = {
    "crm.subject": ("main", "contact"),
    "crm.contact": ("main", "contact"),
    "crm.contact_key": (None, "contact"),
    "crm.interaction": ("main", "interaction"),
    "lua.request": ("main", "contact"),
    "crm.app_user": ("main", "contact"),
    "crm.user_role": (None, "contact"),
    "crm.user_session": (None, "session"),
    "crm.user_token": (None, "contact"),
    "crm.invoice": ("accounting", "invoice"),
    "crm.invoice_line": ("accounting", "invoice"),
}


def _holding(table: str, rows: int, period: int | None, retained: bool) -> Holding:
    key_class, retention_class = _KINDS[table]
    return Holding(table, rows, key_class, retention_class, period, retained)


def _unknown(ids: Iterable[UUID]) -> NotFoundError:
    return NotFoundError(
        f"the tenant has no subject {', '.join(map(str, sorted(ids)))}",
        hint="`luactl subject find` gives the ids of people",
    )


def lock(session: Session, tenant_id: int, ids: Iterable[UUID]) -> None:
    """Keep subjects from being erased until the caller's transaction ends.

    Whoever writes rows about a person calls this first. Raises NotFoundError for unknown ones, RefusedError
    if one is erased.
    """
    asked = set(ids)
    rows = list(queries("subject").lock_subjects(session.conn, tenant_id=tenant_id, subject_ids=list(asked)))
    erased = [str(subject_id) for subject_id, status in rows if status == "erased"]
    if missing := asked - {row[0] for row in rows}:
        raise _unknown(missing)
    if erased:
        raise RefusedError(
            f"subject {', '.join(erased)} is erased", hint="nothing new can be kept about an erased person"
        )
