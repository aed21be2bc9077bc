"""Who the users of a tenant are, and what each of them has now. Names open only when somebody asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from ...db import Session, queries, transaction
from ...errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from ...tenant import Tenant

Kind = Literal["email", "name"]


@dataclass(frozen=True)
class User:
    """One user of the CRM."""

    user_id: UUID
    """The CRM's id of the user; the ledger knows them as `user:ID`."""
    state: str
    """active, locked or ended."""
    roles: tuple[str, ...]
    """Roles of the tenant that the user has."""
    mfa: str
    """The second factor: none, totp or webauthn."""
    mfa_since: datetime | None
    """When it was enrolled."""
    sessions: int
    """Sessions that are open."""
    last_seen: datetime | None
    """When a session of theirs was last used, as long as that is kept."""
    tokens: int
    """Tokens of the API of their own that work."""
    since: datetime
    """When the user was made."""
    ended_at: datetime | None
    """When the user ended."""
    subject_id: UUID
    """The person who it is."""
    login: str | None = None
    """What they sign in with; None unless it was opened."""
    name: str | None = None
    """None unless it was opened."""
    email: str | None = None
    """None unless it was opened."""


@dataclass(frozen=True)
class Login:
    """One session of a user."""

    session_id: UUID
    since: datetime
    """When it began."""
    seen_at: datetime
    """When it was last used, to the minute."""
    network: str | None
    """Where it began, cut to a /24 or /48."""
    ends_at: datetime
    """When it ends by itself."""
    ended_at: datetime | None
    """When somebody ended it."""
    ended_why: str | None
    """logout, replaced, revoked, locked, or past: it came with an import."""


@dataclass(frozen=True)
class Token:
    """One token of the API that is a user's own."""

    name: str
    """What it is called."""
    prefix: str
    """What it begins with."""
    scopes: tuple[str, ...]
    """What it allows."""
    expires_at: datetime
    """When it ends."""
    last_used_at: datetime | None
    """When the CRM last admitted it."""
    revoked_at: datetime | None
    """When somebody ended it."""


@dataclass(frozen=True)
class Detail:
    """A user with sessions and tokens."""

    user: User
    sessions: tuple[Login, ...]
    """The latest first."""
    tokens: tuple[Token, ...]
    """By name, those that ended included."""


def list_(
    session: Session,
    tenant: Tenant,
    *,
    purpose: str | None = None,
    sought: tuple[Kind, str] | None = None,
    ended: bool = False,
) -> tuple[User, ...]:
    """Return the users of a tenant, oldest first; with `ended` those that ended, too.

    With a purpose login, name and e-mail are opened, after the reading was recorded. `sought` is an e-mail
    address or a name: those whom it means, which needs a purpose. Raises UsageError for what is none,
    RefusedError off a key host or without the right.
    """
    if sought is not None and purpose is None:
        raise UsageError("a purpose is needed: the ledger keeps why somebody was looked for")
    found = _read(session, tenant, None, ended=ended)
    if sought is not None:
        known = _candidates(session, tenant, *sought)
        found = tuple(one for one in found if one.user_id in known)
    if purpose is None or not found:
        return found
    opened = _opened(session, tenant, found, purpose)
    return opened if sought is None else _confirmed(tenant, opened, *sought)


def find(session: Session, tenant: Tenant, user_id: UUID) -> User:
    """Return one user, nothing opened. Raises NotFoundError."""
    for one in _read(session, tenant, user_id, ended=True):
        return one
    raise NotFoundError(
        f"tenant {tenant.slug} has no user {user_id}",
        hint=f"`luactl access user list --tenant {tenant.slug}`",
    )


def of_login(session: Session, tenant: Tenant, login: str) -> User:
    """Return the user who signs in by that name; the name goes no further than its keyed digest.

    Raises NotFoundError, which does not repeat it, and RefusedError off a key host.
    """
    from ...key import open_tenant
    from ...key.blind import login_digest

    with transaction(session, tenant.tenant_id) as conn:
        digest = login_digest(open_tenant(session, tenant.tenant_id).unique_key, login)
        user_id = queries("access_user").by_login(conn, tenant_id=tenant.tenant_id, digest=digest)
    if user_id is None:
        raise NotFoundError(f"nobody signs in at {tenant.slug} by that name", hint="or they were erased")
    return find(session, tenant, user_id)


def of_person(session: Session, tenant: Tenant, subject_id: UUID, purpose: str) -> User | None:
    """Return the user that a person is, login, name and e-mail opened for a purpose; None: they are none."""
    with transaction(session, tenant.tenant_id) as conn:
        user_id = queries("subject").user(conn, tenant_id=tenant.tenant_id, subject_id=subject_id)
    if user_id is None:
        return None
    return _opened(session, tenant, [find(session, tenant, user_id)], purpose)[0]


def show(session: Session, tenant: Tenant, user: User, *, purpose: str | None = None) -> Detail:
    """Return a user with sessions and tokens; with a purpose login, name and e-mail are opened."""
    scope = {"tenant_id": tenant.tenant_id, "user_id": user.user_id}
    with transaction(session, tenant.tenant_id) as conn:
        sessions = tuple(Login(*row) for row in queries("access_user").sessions(conn, **scope))
        rows = list(queries("access_user").tokens(conn, **scope))
    tokens = tuple(Token(name, prefix, tuple(scopes), *rest) for name, prefix, scopes, *rest in rows)
    shown = user if purpose is None else _opened(session, tenant, [user], purpose)[0]
    return Detail(shown, sessions, tokens)


def _read(session: Session, tenant: Tenant, user_id: UUID | None, *, ended: bool) -> tuple[User, ...]:
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("access_user").users(
            conn, tenant_id=tenant.tenant_id, user_id=user_id, ended=ended, at=session.clock.now()
        )
        return tuple(_user(*row) for row in rows)


def _user(user_id: UUID, subject_id: UUID, *rest: Any) -> User:
    state, mfa, mfa_since, since, ended_at, roles, sessions, last_seen, tokens = rest
    return User(
        user_id, state, tuple(roles), mfa, mfa_since, sessions, last_seen, tokens, since, ended_at, subject_id
    )


def _opened(session: Session, tenant: Tenant, users: Sequence[User], purpose: str) -> tuple[User, ...]:
    """Return users with what is sealed of them; whoever was erased meanwhile stays closed."""
    from ...crm.opening import Sealed, record_and_open
    from ...subject.sealed import USER

    asked = {"tenant_id": tenant.tenant_id, "users": [one.user_id for one in users]}
    with transaction(session, tenant.tenant_id) as conn:
        rows = list(queries("access_user").sealed(conn, **asked))
    sealed = [Sealed(subject_id, user_id, blob) for user_id, subject_id, blob in rows]
    opened = record_and_open(session, tenant.tenant_id, USER, sealed, purpose)
    fields = {row[0]: one or {} for row, one in zip(rows, opened, strict=True)}
    return tuple(_named(one, fields.get(one.user_id, {})) for one in users)


def _named(one: User, fields: Mapping[str, str]) -> User:
    return replace(one, login=fields.get("login"), name=fields.get("name"), email=fields.get("email"))


def _candidates(session: Session, tenant: Tenant, kind: Kind, value: str) -> Collection[UUID]:
    """Return who may be meant, by the blind indexes of each width that there is."""
    from ...key import open_tenant
    from ...subject.finding import searches, wanted
    from ...subject.sealed import USER

    sought = wanted(kind, value, tenant.country)
    with transaction(session, tenant.tenant_id):
        keys = open_tenant(session, tenant.tenant_id)
        asked = searches(session, tenant.tenant_id, sought, keys, USER)
    return {row[0] for one in asked for row in one.rows()}


def _confirmed(tenant: Tenant, users: Sequence[User], kind: Kind, value: str) -> tuple[User, ...]:
    """Return those whose opened fields answer to it."""
    from ...subject.finding import wanted

    sought = wanted(kind, value, tenant.country)
    return tuple(one for one in users if sought.matches(vars(one)))
