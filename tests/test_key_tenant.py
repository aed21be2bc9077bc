"""The keys of a tenant: claimed once, read back, by several processes at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from support_key import add_subjects, add_tenant, drop_subjects
from uuid_utils.compat import uuid7

from luactl import key
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError
from luactl.key import KeyClass, RetentionClass, SubjectKey, TenantKeys


@pytest.fixture
def keys(session: Session, admin: psycopg.Connection) -> TenantKeys:
    return add_tenant(session, admin, 1)


def test_claims_read_back_from_a_fresh_start(session: Session, keys: TenantKeys) -> None:
    main, duty = add_subjects(keys, session, 200), add_subjects(keys, session, 5, KeyClass.ACCOUNTING)
    fresh = key.open_tenant(session, 1)
    assert fresh.subjects(main, KeyClass.MAIN) == main
    assert fresh.subjects(duty, KeyClass.ACCOUNTING) == duty
    assert fresh.subjects(main, KeyClass.ACCOUNTING) == {}
    everything = [*main.values(), *duty.values()]
    own = [fresh.index_key, fresh.unique_key, fresh.credential_key]
    period = fresh.period(RetentionClass.CONTACT, 0)
    assert len({one.key for one in everything} | {*own, period.key}) == len(everything) + 4


def test_main_and_special_are_two_keys_of_one_space(session: Session, keys: TenantKeys) -> None:
    person = uuid7()
    keys.reserve(KeyClass.SPECIAL, 2)
    with transaction(session, 1):
        main, special = (keys.claim([person], c)[person] for c in (KeyClass.MAIN, KeyClass.SPECIAL))
    assert main.key != special.key


def test_a_second_claim_returns_the_first_key(session: Session, keys: TenantKeys) -> None:
    people = add_subjects(keys, session, 3)
    newcomer = uuid7()
    keys.reserve(KeyClass.MAIN, 4)
    with transaction(session, 1):
        again = keys.claim([*people, newcomer, newcomer], KeyClass.MAIN)
    assert {one: again[one] for one in people} == people
    assert len(again) == 4


def test_new_claims_wait_for_no_answer(session: Session, keys: TenantKeys) -> None:
    ids = [uuid7() for _ in range(100)]
    keys.reserve(KeyClass.MAIN, 100)
    with transaction(session, 1) as conn, conn.pipeline():
        people = keys.claim(ids[:60], KeyClass.MAIN, new=True)
        people |= keys.claim(ids[60:], KeyClass.MAIN, new=True)
    assert key.open_tenant(session, 1).subjects(ids, KeyClass.MAIN) == people


def test_numbers_are_never_used_twice(session: Session, keys: TenantKeys, admin: psycopg.Connection) -> None:
    keys.reserve(KeyClass.MAIN, 1)
    lost: list[SubjectKey] = []

    def failing() -> None:
        with transaction(session, 1):
            lost.extend(keys.claim([uuid7()], KeyClass.MAIN).values())
            raise RuntimeError("the change failed")

    with pytest.raises(RuntimeError, match="the change failed"):
        failing()
    people = add_subjects(keys, session, 100)
    assert lost[0].key not in {one.key for one in people.values()}
    numbers = [row[0] for row in admin.execute("SELECT slot_no FROM vault.slot ORDER BY 1")]
    assert numbers == list(range(1, 101))


def test_claiming_needs_a_transaction_and_numbers(session: Session, keys: TenantKeys) -> None:
    with pytest.raises(RuntimeError, match="in the transaction"):
        keys.claim([uuid7()], KeyClass.MAIN)
    with transaction(session, 1):
        with pytest.raises(RuntimeError, match="reserved"):
            keys.claim([uuid7()], KeyClass.MAIN)
        with pytest.raises(RuntimeError, match="before the transaction"):
            keys.reserve(KeyClass.MAIN, 1)


def test_a_wrong_context_is_no_erasure(session: Session, keys: TenantKeys) -> None:
    people = add_subjects(keys, session, 1)
    for tenant in (None, 2):
        with (
            transaction(session, tenant),
            pytest.raises(RuntimeError, match="not in the context"),
        ):
            keys.subjects(people, KeyClass.MAIN)


def test_periods(session: Session, keys: TenantKeys) -> None:
    assert keys.existing_period(RetentionClass.INVOICE, 2026) is None
    year = keys.period(RetentionClass.INVOICE, 2026)
    month = keys.period(RetentionClass.INTERACTION, 202611)
    assert year.period_id == 3 << 24 | 2026
    assert year.key != month.key
    fresh = key.open_tenant(session, 1)
    assert fresh.period(RetentionClass.INVOICE, 2026) == year
    assert fresh.existing_period(RetentionClass.INTERACTION, 202611) == month


def test_tenants_share_nothing(session: Session, admin: psycopg.Connection, keys: TenantKeys) -> None:
    other = add_tenant(session, admin, 2)
    assert other.index_key != keys.index_key
    mine, theirs = add_subjects(keys, session, 3), add_subjects(other, session, 3)
    assert not {k.key for k in mine.values()} & {k.key for k in theirs.values()}
    assert other.subjects(theirs, KeyClass.MAIN) == theirs
    with pytest.raises(RuntimeError, match="context"), transaction(session, 2):
        keys.subjects(theirs, KeyClass.MAIN)
    assert keys.subjects(theirs, KeyClass.MAIN) == {}


def test_a_tenant_unknown_or_without_nodes(
    session: Session, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    with pytest.raises(NotFoundError, match="no tenant 9"):
        key.open_tenant(session, 9)
    admin.execute("INSERT INTO lua.tenant_directory VALUES (9, 'nine', 900)")
    with pytest.raises(key.SealError, match="not in the tree"):
        key.open_tenant(session, 9)


def test_a_second_tree_is_refused(session: Session) -> None:
    with pytest.raises(RefusedError, match="has a key tree already"):
        key.create_tree(session)


def test_keys_stay_readable_while_epochs_turn(session: Session, keys: TenantKeys) -> None:
    people = add_subjects(keys, session, 130)
    old = key.open_tenant(session, 1)
    for victim in list(people)[:3]:
        drop_subjects(session, 1, [victim])
        del people[victim]
    assert old.subjects(people, KeyClass.MAIN) == people
    # The old handle makes new nodes below rewritten ones; a fresh one must find the same keys there.
    newer = add_subjects(old, session, 80)
    assert key.open_tenant(session, 1).subjects(newer, KeyClass.MAIN) == newer


def run_together(*work: Callable[[Session], dict[UUID, SubjectKey]]) -> list[dict[UUID, SubjectKey]]:
    def one(task: Callable[[Session], dict[UUID, SubjectKey]]) -> dict[UUID, SubjectKey]:
        with open_session("test", command="test") as opened:
            return task(opened)

    with ThreadPoolExecutor(len(work)) as pool:
        return [done.result(timeout=60) for done in [pool.submit(one, task) for task in work]]


def test_many_claim_at_once_in_one_tenant(session: Session, keys: TenantKeys) -> None:
    """Blocks of 7 end in the middle of leaves, so all of them make the same nodes at the same time."""

    def claiming(opened: Session) -> dict[UUID, SubjectKey]:
        theirs = key.open_tenant(opened, 1)
        mine: dict[UUID, SubjectKey] = {}
        for _ in range(12):
            mine |= add_subjects(theirs, opened, 7)
        return mine

    made = run_together(*[claiming] * 4)
    everyone = {subject: one for part in made for subject, one in part.items()}
    assert len(everyone) == len({one.key for one in everyone.values()}) == 4 * 12 * 7
    assert key.open_tenant(session, 1).subjects(everyone, KeyClass.MAIN) == everyone
    assert key.verify(session).findings == ()


def test_two_claim_for_the_same_persons(session: Session, keys: TenantKeys) -> None:
    people = [uuid7() for _ in range(50)]

    def claiming(opened: Session) -> dict[UUID, SubjectKey]:
        theirs = key.open_tenant(opened, 1)
        theirs.reserve(KeyClass.ACCOUNTING, len(people))
        with transaction(opened, 1):
            return theirs.claim(people, KeyClass.ACCOUNTING)

    first, second = run_together(claiming, claiming)
    assert first == second == keys.subjects(people, KeyClass.ACCOUNTING)


def test_dropping_while_others_claim(session: Session, keys: TenantKeys) -> None:
    victims = list(add_subjects(keys, session, 100))

    def claiming(opened: Session) -> dict[UUID, SubjectKey]:
        theirs = key.open_tenant(opened, 1)
        mine: dict[UUID, SubjectKey] = {}
        for _ in range(15):
            mine |= add_subjects(theirs, opened, 9)
            assert theirs.subjects(mine, KeyClass.MAIN) == mine
        return mine

    def dropping(opened: Session) -> dict[UUID, SubjectKey]:
        for at in range(0, 100, 10):
            assert drop_subjects(opened, 1, victims[at : at + 10]).keys_dropped == 10
        return {}

    *made, _none = run_together(claiming, claiming, dropping)
    fresh = key.open_tenant(session, 1)
    for part in made:
        assert fresh.subjects(part, KeyClass.MAIN) == part
    assert fresh.subjects(victims, KeyClass.MAIN) == {}
    assert key.verify(session).findings == ()
    assert key.status(session).epoch == 11


def test_each_role_can_do_its_part_alone(
    login: Callable[..., Session], session: Session, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    creator, app, keeper = login("lua_admin"), login("lua_app"), login("lua_dpo")
    add_tenant(creator, admin, 2)
    people = list(add_subjects(key.open_tenant(app, 1), app, 70))
    assert key.open_tenant(app, 1).period(RetentionClass.INTERACTION, 202611)
    assert drop_subjects(keeper, 1, people[:1]).keys_dropped == 1
    assert drop_subjects(login("lua_operator"), 1, people[1:2]).keys_dropped == 1
    auditor = login("lua_auditor")
    assert key.verify(auditor).findings == ()
    assert len(key.open_tenant(auditor, 1).subjects(people, KeyClass.MAIN)) == 68
    for stranger in (app, auditor, creator):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            drop_subjects(stranger, 1, people[2:3])
    assert key.status(session).state is key.State.SETTLED


def test_nodes_that_were_rolled_back_are_forgotten(
    session: Session, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    """Else their children would be sealed under keys that never reached the database."""
    admin.execute("""
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON vault.node FOR EACH ROW WHEN (length(NEW.path) = 4)
        EXECUTE FUNCTION public.refuse()
    """)
    with pytest.raises(psycopg.errors.DiskFull):
        keys.reserve(KeyClass.MAIN, 70)
    admin.execute("DROP TRIGGER refuse ON vault.node")
    people = add_subjects(keys, session, 70)
    assert key.open_tenant(session, 1).subjects(people, KeyClass.MAIN) == people
    assert key.verify(session).findings == ()
