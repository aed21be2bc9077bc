"""Whose is this token? For one that turned up in a log, a repository or somebody's mail."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Session, queries, transaction
from ..errors import NotFoundError
from .register import Secret, read
from .token import PREFIX_ALPHABET, parse_token


@dataclass(frozen=True)
class Whose:
    """A token of ours."""

    tenant: str
    """Slug of the tenant whose data it opens."""
    whole: bool
    """Whether the whole token was known, not its prefix alone."""
    secret: Secret
    """What it is, and whether it still works."""


def find(session: Session, text: str) -> Whose:
    """Return whose a token is, by the token or its prefix alone; the token goes no further than its hash.

    Raises UsageError for what is neither, NotFoundError for one that we never made.
    """
    from ..tenant.register import find as find_tenant

    given = text.strip()
    prefix = given.removeprefix("lua_").rstrip("_")
    is_prefix = len(prefix) == 8 and not set(prefix) - set(PREFIX_ALPHABET)
    hash_ = None if is_prefix else parse_token(given).hash
    with transaction(session) as conn:
        row = queries("secret").find_token(conn, hash=hash_, prefix=prefix if is_prefix else None)
    if row is None:
        raise NotFoundError(
            "no tenant ever had that token", hint="it may be of another installation, or mistyped"
        )
    slug, secret_id = row
    tenant = find_tenant(session, slug)
    with transaction(session, tenant.tenant_id):
        found = next(one for one in read(session, tenant.tenant_id) if one.secret_id == secret_id)
    return Whose(slug, not is_prefix, found)
