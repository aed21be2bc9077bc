"""The keys of one tenant: its subjects', its periods' and its own (formats.md, 1 and 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from psycopg.pq import TransactionStatus

from ..db import Session, queries, transaction
from ..errors import BusyError, NoTenantError
from ..pack import Uuids
from ..profile.production import demand_places
from .borrowed import Borrowed
from .classes import KeyClass, PeriodKey, RetentionClass, SubjectKey, period_id
from .path import CREDENTIAL_SLOT, INDEX_SLOT, UNIQUE_SLOT, Counter, leaves, locate, tenant_nodes
from .rows import fetch
from .tree import Nodes

BATCH = 20_000


def subject_space(key_class: KeyClass) -> Counter:
    """Return the space that numbers subject keys of a class."""
    return Counter.DUTY_SUBJECTS if key_class.is_duty else Counter.SUBJECTS


def period_space(retention_class: RetentionClass) -> Counter:
    """Return the space that numbers period keys of a class."""
    return Counter.DUTY_PERIODS if retention_class.is_duty else Counter.PERIODS


def reserve_tenants(session: Session, count: int = 1) -> range:
    """Take so many numbers for new tenants; to be called before the transaction that creates them."""
    first = _claim_numbers(session, 0, Counter.TENANTS, count)
    return range(first, first + count)


def _claim_numbers(session: Session, tenant_id: int, space: Counter, count: int) -> int:
    if session.conn.info.transaction_status != TransactionStatus.IDLE:
        raise RuntimeError("numbers are taken before the transaction: one that fails must not give them back")
    demand_places(session.profile)
    first: int = queries("key").claim_numbers(session.conn, tenant_id=tenant_id, space=space, count=count)
    return first


def create_tenant(session: Session, tenant_id: int, key_no: int, nodes: Nodes | None = None) -> None:
    """Make the tenant's node and its duty node, in the running transaction.

    `key_no` comes from `reserve_tenants`. `nodes` spares whoever creates many the opening of the tree for
    each; after a transaction that did not commit it must not be used again.
    Raises RefusedError off a key host.
    """
    if tenant_id < 1:
        raise ValueError("tenants are numbered from 1")
    nodes = Nodes(session) if nodes is None else nodes
    nodes.forget_leaves(())
    nodes.create(tenant_nodes(key_no))


def open_tenant(session: Session, tenant_id: int) -> TenantKeys:
    """Open the keys of a tenant.

    Raises RefusedError off a key host, NotFoundError for a tenant without keys.
    """
    key_no = queries("key").key_no(session.conn, tenant_id=tenant_id)
    if key_no is None:
        raise NoTenantError(tenant_id)
    return TenantKeys(session, tenant_id, key_no)


class TenantKeys:
    """Hands out the keys of one tenant, and claims new ones. Not for use by several threads.

    Keys are read and claimed in the running transaction if there is one, which must be in the tenant's
    context. Nothing here remembers a subject's key: an erased one is gone at once.
    """

    def __init__(self, session: Session, tenant_id: int, key_no: int) -> None:
        self.tenant_id = tenant_id
        self._session = session
        self._own, self._duty = tenant_nodes(key_no)
        self._nodes = Nodes(session) if session.profile.holders else Borrowed(session, tenant_id)
        self._free: dict[Counter, list[range]] = {}
        self._nodes.load((self._own, self._duty))
        base = self._own if self._nodes.reaches(self._own) else self._duty
        self._nodes[base].key(INDEX_SLOT)  # so that what does not open is heard of at once

    def refresh(self) -> None:
        """Ask which epoch it is, and forget what was opened under an older one.

        For services that keep this for days; one round trip while the epoch stands. Raises as `open_tenant`.
        """
        self._nodes.load((self._own, self._duty), fresh=True)
        base = self._own if self._nodes.reaches(self._own) else self._duty
        self._nodes[base].key(INDEX_SLOT)

    def reaches(self, key_class: KeyClass) -> bool:
        """Whether keys of that class can be opened here: released ones may be those of duties alone."""
        return self._nodes.reaches(self._base(subject_space(key_class)))

    def _own_key(self, slot: int) -> bytes:
        self._nodes.load((self._own,))
        return self._nodes[self._own].key(slot)

    @property
    def index_key(self) -> bytes:
        """The key of the tenant's blind indexes: 32 bytes."""
        return self._own_key(INDEX_SLOT)

    @property
    def credential_key(self) -> bytes:
        """The key of credentials that must be read back: 32 bytes."""
        return self._own_key(CREDENTIAL_SLOT)

    @property
    def unique_key(self) -> bytes:
        """The key of digests that hold uniqueness: 32 bytes."""
        return self._own_key(UNIQUE_SLOT)

    def _base(self, space: Counter) -> bytes:
        return self._duty if space.is_duty else self._own

    def _locate(self, space: Counter, number: int) -> tuple[bytes, int]:
        return locate(self._base(space), space.first, number)

    def _in_transaction(self) -> bool:
        return self._session.conn.info.transaction_status != TransactionStatus.IDLE

    @contextmanager
    def _within(self) -> Iterator[None]:
        """Use the running transaction, or one of our own in the tenant's context."""
        if self._in_transaction():
            yield
        else:
            with transaction(self._session, self.tenant_id):
                yield

    def _check_context(self) -> None:
        """Row security hides claims in a wrong context, where everybody would look like erased."""
        found = self._session.conn.execute("SELECT current_setting('lua.tenant_id', true)").fetchone()
        if found != (str(self.tenant_id),):
            raise RuntimeError(f"the transaction is not in the context of tenant {self.tenant_id}")

    def subjects(self, ids: Iterable[UUID], key_class: KeyClass) -> dict[UUID, SubjectKey]:
        """Return the newest keys of these subjects; one that has none (any more) is left out.

        Raises SealError when the tree does not open, RuntimeError in another tenant's context.
        """
        wanted, found = list(ids), {}
        with self._within():
            for start in range(0, len(wanted), BATCH):
                found.update(self._read_subjects(wanted[start : start + BATCH], key_class))
            if len(found) < len(wanted):
                self._check_context()
        return found

    def _read_subjects(self, ids: Sequence[UUID], key_class: KeyClass) -> dict[UUID, SubjectKey]:
        space = subject_space(key_class)
        rows = fetch(
            self._session,
            "newest_slots",
            tenant_id=self.tenant_id,
            key_class=key_class,
            ids=Uuids.of(ids),
        )
        # 64 consecutive numbers share a leaf, as all regions begin at a multiple of 64.
        leaf_of = {
            at: self._locate(space, at * 64)[0] for at in {number >> 6 for _id, _version, number in rows}
        }
        self._nodes.forget_leaves((self._own, self._duty))
        self._nodes.load(leaf_of.values())
        node_of = {at: self._nodes[leaf] for at, leaf in leaf_of.items()}
        found = {}
        for subject, version, number in rows:
            key = node_of[number >> 6][number & 63]
            if key is not None:
                found[subject] = SubjectKey(version, key)
        return found

    def reserve(self, key_class: KeyClass, count: int) -> None:
        """Take numbers for so many subjects and make their nodes, before the transaction that claims.

        What is not claimed in the end is never used. Raises RuntimeError inside a transaction.
        """
        space, left = subject_space(key_class), count
        while left > 0:
            block = min(left, BATCH)
            first = self._take(space, block)
            self._free.setdefault(space, []).append(range(first, first + block))
            left -= block

    def _take(self, space: Counter, count: int) -> int:
        first = _claim_numbers(self._session, self.tenant_id, space, count)
        try:
            with transaction(self._session, self.tenant_id):
                self._nodes.create(leaves(self._base(space), space.first, first, count))
        except BaseException:
            self._nodes.forget()  # nodes that were rolled back would seal what nobody can ever open
            raise
        return first

    def claim(self, ids: Iterable[UUID], key_class: KeyClass, *, new: bool = False) -> dict[UUID, SubjectKey]:
        """Return a key for each of these subjects, claiming one for those that have none.

        Runs in the caller's transaction, in the tenant's context, on numbers that `reserve` took before it.
        `new` says that the ids were made a moment ago: nothing is searched, nor is an answer waited for, so
        that it works within a pipeline. Raises RuntimeError without a transaction or enough numbers.
        """
        if not self._in_transaction():
            raise RuntimeError("keys are claimed in the transaction of the rows that they seal")
        wanted = list(dict.fromkeys(ids))
        found = {} if new else self.subjects(wanted, key_class)
        missing = [subject for subject in wanted if subject not in found]
        while missing:
            batch = self._claim_block(missing, key_class, new)
            found.update(batch)
            missing = missing[len(batch) :]
        return found

    def claim_newer(self, subject_id: UUID, key_class: KeyClass, version: int) -> SubjectKey:
        """Claim a newer version of a subject's key in the caller's transaction, on a reserved number.

        Raises RuntimeError without a transaction or a number.
        """
        space, free = subject_space(key_class), self._free.get(subject_space(key_class))
        if not free or not self._in_transaction():
            raise RuntimeError("a newer key version needs a transaction, and a number reserved before it")
        block = free.pop(0)
        if len(block) > 1:
            free.insert(0, block[1:])
        queries("key").insert_version(
            self._session.conn,
            tenant_id=self.tenant_id,
            subject_id=subject_id,
            key_class=key_class,
            version=version,
            slot_no=block.start,
        )
        return SubjectKey(version, self._numbered(space, block.start, 1)[0].key)

    def _claim_block(self, ids: Sequence[UUID], key_class: KeyClass, new: bool) -> dict[UUID, SubjectKey]:
        """Claim keys for as many of the ids, in their order, as the next block of numbers serves."""
        space = subject_space(key_class)
        free = self._free.get(space)
        if not free:
            raise RuntimeError("too few numbers were reserved before the transaction")
        block = free.pop(0)
        batch, rest = ids[: len(block)], block[len(ids) :]
        if rest:
            free.insert(0, rest)
        insert = queries("key").insert_new_slots if new else queries("key").insert_slots
        claimed = insert(
            self._session.conn,
            tenant_id=self.tenant_id,
            key_class=key_class,
            first=block.start,
            ids=Uuids.of(batch),
        )
        if new or claimed == len(batch):
            return dict(zip(batch, self._numbered(space, block.start, len(batch)), strict=True))
        found = self.subjects(batch, key_class)  # somebody else was first for some of them
        if len(found) != len(batch):
            raise BusyError("keys of the same persons were claimed or dropped meanwhile", hint="try again")
        return found

    def _numbered(self, space: Counter, first: int, count: int) -> list[SubjectKey]:
        """Return the keys with consecutive numbers, which are all of version 1."""
        base = self._base(space)
        keys: list[SubjectKey] = []
        nodes = leaves(base, space.first, first, count)
        self._nodes.load(nodes)
        slot = locate(base, space.first, first)[1]
        for leaf in nodes:
            node = self._nodes[leaf]
            keys += [SubjectKey(1, key) for key in node.slice(slot, min(64, slot + count - len(keys)))]
            slot = 0
        return keys

    def existing_period(self, retention_class: RetentionClass, number: int) -> PeriodKey | None:
        """Return the key of a period; None when nothing was ever kept in it, or it was purged."""
        with self._within():
            return self._find_period(retention_class, number, "find_periods")

    def period(self, retention_class: RetentionClass, number: int) -> PeriodKey:
        """Return the key of a period that is to be written into, claiming it when it is new.

        To be called twice: before the writing transaction, where it claims the period, and within it, where
        it keeps the period from being purged until the end. Raises BusyError when there is nothing to keep.
        """
        if self._in_transaction():
            found = self._find_period(retention_class, number, "hold_periods")
            if found is None:
                raise BusyError(
                    f"the {retention_class.label} period {number} is not open for writing",
                    hint="it was purged a moment ago, or never claimed: run the command again",
                )
            return found
        found = self.existing_period(retention_class, number)
        return found if found is not None else self._claim_period(retention_class, number)

    def _claim_period(self, retention_class: RetentionClass, number: int) -> PeriodKey:
        identifier = period_id(retention_class, number)
        slot_no = self._take(period_space(retention_class), 1)
        with transaction(self._session, self.tenant_id) as conn:
            queries("key").insert_period(
                conn, tenant_id=self.tenant_id, period_id=identifier, slot_no=slot_no
            )
            found = self._find_period(retention_class, number, "find_periods")
        if found is None:
            raise BusyError(
                f"the {retention_class.label} period {number} was purged meanwhile", hint="try again"
            )
        return found

    def _find_period(self, retention_class: RetentionClass, number: int, query: str) -> PeriodKey | None:
        identifier = period_id(retention_class, number)
        ask = getattr(queries("key"), query)
        rows = list(ask(self._session.conn, tenant_id=self.tenant_id, periods=[identifier]))
        if not rows:
            self._check_context()
            return None
        leaf, slot = self._locate(period_space(retention_class), rows[0][1])
        self._nodes.load((leaf,))
        key = self._nodes[leaf][slot]
        return None if key is None else PeriodKey(identifier, key)
