"""Why a user may do something, or why not: what `crm.decide` says, and which roles would give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ...db import Session, queries, transaction
from ...errors import UsageError

if TYPE_CHECKING:
    from ...tenant import Tenant
    from .register import User


@dataclass(frozen=True)
class Object:
    """What a permission is about."""

    object: str
    """Its name: `contact.read` is a permission to read contacts."""
    kind: str
    """data or function."""
    sensitive: bool
    """Whether a permission must name it: no wildcard gives it."""
    actions: tuple[str, ...]
    """What can be done with it."""
    about: str
    """In words."""


@dataclass(frozen=True)
class Explained:
    """Whether a user may do something, and why."""

    user_id: UUID
    action: str
    object: str
    allowed: bool
    why: str
    """named or wildcard; else why not: the user's state, no role, or a wildcard for what is sensitive."""
    role: str | None
    """The role that decides it."""
    permission: str | None
    """The permission of that role."""
    sensitive: bool
    """Whether a permission must name the object."""
    roles: tuple[str, ...]
    """Roles that the user has."""
    would_give: tuple[str, ...]
    """Roles of the tenant that give it."""


def objects(session: Session) -> tuple[Object, ...]:
    """Return everything that permissions are about, by name."""
    with transaction(session) as conn:
        rows = list(queries("access_user").objects(conn))
    return tuple(
        Object(name, kind, sensitive, tuple(actions), about) for name, kind, sensitive, actions, about in rows
    )


def explain(session: Session, tenant: Tenant, user: User, action: str, object_: str) -> Explained:
    """Return whether a user may do something now, by which permission of which role, or why not.

    Raises UsageError for an object or action that there is none of.
    """
    known = {one.object: one for one in objects(session)}
    if object_ not in known:
        raise UsageError(f"there is no object {object_[:80]!r}", hint=f"one of {', '.join(known)}")
    if action not in known[object_].actions:
        raise UsageError(
            f"nobody can {action[:80]!r} {object_}", hint=f"one of {', '.join(known[object_].actions)}"
        )
    asked = {"tenant_id": tenant.tenant_id, "action": action, "object": object_}
    with transaction(session, tenant.tenant_id) as conn:
        noun = queries("access_user")
        allowed, why, role, permission = noun.decide(conn, user_id=user.user_id, **asked)
        giving = tuple(row[0] for row in noun.giving(conn, **asked))
    sensitive = known[object_].sensitive
    return Explained(
        user.user_id, action, object_, allowed, why, role, permission, sensitive, user.roles, giving
    )
