"""What a drop takes away: claims deleted, tombstones left behind, and the slots that are to be emptied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..db import Session, in_context, queries
from ..errors import NoTenantError
from ..pack import Bytes, Uuids
from .classes import TenantDrop, split_period
from .path import SPACE_A, TOP, Counter, locate, tenant_nodes
from .rewrite import period_mark, subject_mark, tenant_mark, version_mark
from .tenant import period_space

Slots = dict[bytes, set[int]]


@dataclass
class GivenUp:
    """Which slots go by the path of their node, how many keys that are, and which tenants end."""

    slots: Slots = field(default_factory=dict)
    keys: int = 0
    ended: list[int] = field(default_factory=list)
    """Tenants of which nothing is left."""
    bases: list[bytes] = field(default_factory=list)
    """Paths of nodes that nothing will open any more: what is below them is rubbish."""


def give_up(session: Session, tenants: Iterable[TenantDrop], epoch: int, key: bytes) -> GivenUp:
    """Delete the claims in the running transaction, and leave tombstones of that epoch; `key` marks them.

    Raises NotFoundError for an unknown tenant.
    """
    found = GivenUp()
    for tenant in tenants:
        in_context(session, tenant.tenant_id)
        key_no = queries("key").key_no(session.conn, tenant_id=tenant.tenant_id)
        if key_no is None:
            raise NoTenantError(tenant.tenant_id)
        marks = (
            _whole(session, tenant, key_no, key, found)
            if tenant.whole
            else _part(session, tenant, key_no, key, found)
        )
        queries("key").insert_tombstones(
            session.conn,
            tenant_id=tenant.tenant_id,
            marks=Bytes.of(marks),
            epoch=epoch,
            at=session.clock.now(),
        )
    return found


def _whole(session: Session, tenant: TenantDrop, key_no: int, key: bytes, found: GivenUp) -> list[bytes]:
    """Give up the tenant's node and its duty node, which takes all below."""
    for item in (2 * key_no, 2 * key_no + 1):
        leaf, slot = locate(TOP, SPACE_A, item)
        found.slots.setdefault(leaf, set()).add(slot)
        found.bases.append(leaf + bytes([slot]))
    found.keys += queries("key").delete_tenant(session.conn, tenant_id=tenant.tenant_id)
    found.ended.append(tenant.tenant_id)
    return [tenant_mark(key, tenant.tenant_id)]


def _part(session: Session, tenant: TenantDrop, key_no: int, key: bytes, found: GivenUp) -> list[bytes]:
    own, duty = tenant_nodes(key_no)
    tenant_id = tenant.tenant_id
    numbers: list[tuple[Counter, int]] = []
    marks = [subject_mark(key, tenant_id, subject, key_class) for subject, key_class in tenant.subjects]
    marks += [version_mark(key, tenant_id, *version) for version in tenant.versions]
    for key_class, slot in _slots(session, tenant):
        numbers.append((Counter.DUTY_SUBJECTS if key_class > 2 else Counter.SUBJECTS, slot))
    for period, slot in _periods(session, tenant):
        numbers.append((period_space(split_period(period)[0]), slot))
        marks.append(period_mark(key, tenant_id, period, slot))
    for space, number in numbers:
        leaf, slot = locate(duty if space.is_duty else own, space.first, number)
        found.slots.setdefault(leaf, set()).add(slot)
    found.keys += len(numbers)
    return marks


def _periods(session: Session, tenant: TenantDrop) -> Iterable[tuple[int, int]]:
    """Delete the claims of periods; return period and number of each."""
    if not tenant.periods:
        return ()
    rows: Iterable[tuple[int, int]] = queries("key").delete_periods(
        session.conn, tenant_id=tenant.tenant_id, periods=list(tenant.periods)
    )
    return rows


def _slots(session: Session, tenant: TenantDrop) -> Sequence[tuple[int, int]]:
    """Delete the claims of subjects and of superseded versions; return class and number of each."""
    noun, conn = queries("key"), session.conn
    rows = []
    if tenant.subjects:
        rows += noun.delete_slots(
            conn,
            tenant_id=tenant.tenant_id,
            ids=Uuids.of([subject for subject, _class in tenant.subjects]),
            classes=[int(key_class) for _subject, key_class in tenant.subjects],
        )
    if tenant.versions:
        rows += noun.delete_versions(
            conn,
            tenant_id=tenant.tenant_id,
            ids=[subject for subject, _class, _version in tenant.versions],
            classes=[int(key_class) for _subject, key_class, _version in tenant.versions],
            versions=[version for _subject, _class, version in tenant.versions],
        )
    return rows
