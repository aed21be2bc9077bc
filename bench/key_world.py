"""A fresh home with one tenant and many subjects in its key tree: what the measures of keys stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from .tenant import engine

if TYPE_CHECKING:
    from luactl.db import Session

BLOCK = 20_000


def new_tenant(session: Session, slug: str) -> int:
    """Create a tenant; return its id."""
    from luactl import tenant

    tenant.create(session, tenant.NewTenant(slug, "Practice", "DE", "someone"))
    return tenant.find(session, slug).tenant_id


def claim(session: Session, tenant_id: int, number: int) -> list[UUID]:
    """Claim main keys for so many subjects, as an import does, without their rows."""
    from uuid_utils.compat import uuid7

    from luactl.db import transaction
    from luactl.key import KeyClass, open_tenant

    keys, ids = open_tenant(session, tenant_id), []
    for start in range(0, number, BLOCK):
        block = [uuid7() for _ in range(min(BLOCK, number - start))]
        keys.reserve(KeyClass.MAIN, len(block))
        with transaction(session, tenant_id):
            keys.claim(block, KeyClass.MAIN, new=True)
        ids += block
    return ids


@contextmanager
def world(subjects: int) -> Iterator[tuple[Session, int, list[UUID]]]:
    """Yield a session, a tenant and its subjects; the key book is up to date."""
    from luactl import key

    with engine() as session:
        tenant_id = new_tenant(session, "practice")
        ids = claim(session, tenant_id, subjects)
        key.drop(session, [], lambda _epoch: None)
        session.conn.execute("CHECKPOINT") if session.actor == "postgres" else None
        yield session, tenant_id, ids


def drop(session: Session, tenant_id: int, ids: Sequence[UUID]) -> int:
    """Drop the main keys of these subjects; return how many nodes were rewritten."""
    from luactl import key

    drops = [key.TenantDrop(tenant_id, [(subject, key.KeyClass.MAIN) for subject in ids])]
    return key.drop(session, drops, lambda _epoch: None).nodes_rewritten
