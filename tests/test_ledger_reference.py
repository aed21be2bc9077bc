"""The references that stand for people in the ledger, made once and cut by erasure."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from subprocess import CompletedProcess
from uuid import UUID, uuid4

import pytest
from conftest import Connection, Home
from hypothesis import given
from hypothesis import strategies as st
from support_subject import add_people

from luactl import ledger, tenant
from luactl.connect import connect
from luactl.db import Session, transaction
from luactl.key import KeyClass, PeriodKey, Place, SealError, SubjectKey, open_tenant
from luactl.key.seal import seal
from luactl.ledger import Entry, new_id
from luactl.ledger.reference import open_detail, sealed_detail
from luactl.tenant import NewTenant, Tenant

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
KEY, PERIOD = SubjectKey(1, bytes(range(32))), PeriodKey(1 << 24, bytes(range(32, 64)))


@pytest.fixture
def praxis(session: Session) -> Tenant:
    tenant.create(session, NewTenant("praxis", "Praxis Ilse Brandt", "DE", "Ilse Brandt"))
    return tenant.find(session, "praxis")


def test_references_are_random_lasting_and_sealed(
    session: Session, admin: Connection, praxis: Tenant
) -> None:
    ids = add_people(session, praxis, [{"name": "Mara Quint"}, {"name": "Ole Brix"}], 1)
    keys = open_tenant(session, praxis.tenant_id)
    first = ledger.references(session, keys, praxis.tenant_id, ids[:1])
    both = ledger.references(session, keys, praxis.tenant_id, [*ids, uuid4()])
    assert set(both) == set(ids)
    assert both[ids[0]] == first[ids[0]]
    assert len({*both.values(), *ids}) == 4
    assert ledger.references(session, keys, praxis.tenant_id, []) == {}
    for (blob,) in admin.execute("SELECT personal FROM crm.subject"):
        assert all(
            reference.bytes not in blob and str(reference).encode() not in blob for reference in both.values()
        )


def test_the_erased_have_no_reference(session: Session, admin: Connection, praxis: Tenant) -> None:
    ids = add_people(session, praxis, [{"name": "Mara Quint"}, {"name": "Ole Brix"}], 1)
    keys = open_tenant(session, praxis.tenant_id)
    ledger.references(session, keys, praxis.tenant_id, ids[:1])
    admin.execute("UPDATE crm.subject SET status = 'erased', erased_at = now(), personal = NULL")
    assert ledger.references(session, keys, praxis.tenant_id, ids) == {}


def test_two_who_need_a_reference_at_once_agree(session: Session, home: Home, praxis: Tenant) -> None:
    ids = add_people(session, praxis, [{"name": f"Person {n}"} for n in range(30)], 1)

    def ask(order: list[UUID]) -> dict[UUID, UUID]:
        with closing(connect(home.profile, command="test")) as conn:
            own = replace(session, conn=conn)
            return ledger.references(own, open_tenant(own, praxis.tenant_id), praxis.tenant_id, order)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, [ids, ids[::-1], ids[5:] + ids[:5], ids]))
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0].values())) == 30


def test_bookkeeping_and_the_crm_can_name_whom_they_read(
    session: Session, login: Callable[..., Session], praxis: Tenant
) -> None:
    ids = add_people(session, praxis, [{"name": "Mara Quint"}], 1)
    for role in ("lua_accounting", "lua_app", "lua_operator", "lua_dpo"):
        own = login(role)
        assert ids[0] in ledger.references(own, open_tenant(own, praxis.tenant_id), praxis.tenant_id, ids)


def test_searching_by_subject_is_itself_a_read(
    session: Session, praxis: Tenant, cli: Callable[..., CompletedProcess[str]]
) -> None:
    ids = add_people(session, praxis, [{"name": "Mara Quint"}, {"name": "Ole Brix"}], 1)
    found = ledger.references(session, open_tenant(session, praxis.tenant_id), praxis.tenant_id, ids)
    with transaction(session):
        ledger.append(session, Entry("subject.rectify", praxis.tenant_id, subject=found[ids[0]]))
        ledger.append(session, Entry("subject.rectify", praxis.tenant_id, subject=found[ids[1]]))
    done = cli("-o", "json", "log", "search", "--tenant", "praxis", "--subject", str(ids[0]))
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)["data"]
    assert [line["action"] for line in lines] == ["read", "subject.rectify"]
    assert lines[0]["detail"]["references"] == [str(found[ids[0]])]
    assert lines[1]["subject"] == str(found[ids[0]])
    unknown = cli("log", "search", "--tenant", "praxis", "--subject", str(uuid4()))
    assert unknown.returncode == 1
    assert "hint:" in unknown.stderr


def detail(fields: dict[str, str], entry_id: UUID, subject_id: UUID, key: SubjectKey) -> dict[str, str]:
    return sealed_detail(
        fields, entry_id=entry_id, tenant_id=7, subject_id=subject_id, subject_key=key, period_key=PERIOD
    )


def opened(sealed: dict[str, str], entry_id: UUID, subject_id: UUID, key: SubjectKey) -> dict[str, object]:
    return open_detail(
        sealed, entry_id=entry_id, tenant_id=7, subject_id=subject_id, subject_key=key, period_key=PERIOD
    )


@given(st.dictionaries(st.sampled_from(["name", "email", "note"]), TEXT))
def test_a_sealed_detail_opens_at_its_place_only(fields: dict[str, str]) -> None:
    entry_id, person = uuid4(), uuid4()
    sealed = detail(fields, entry_id, person, KEY)
    assert set(sealed) == {"sealed", "commitment"}
    assert opened(sealed, entry_id, person, KEY) == fields
    for wrong in (
        (uuid4(), person, KEY),
        (entry_id, uuid4(), KEY),
        (entry_id, person, SubjectKey(1, bytes(32))),
    ):
        with pytest.raises(SealError):
            opened(sealed, *wrong)


def test_the_commitment_binds_the_key() -> None:
    """A frame that opens is not enough: what it holds must be what was committed to."""
    entry_id, person = uuid4(), uuid4()
    place = Place(7, person, "ledger.entry", "detail", entry_id)
    other = seal({"name": "Ole Brix"}, place, KEY, PERIOD, KeyClass.MAIN)
    swapped = {
        **detail({"name": "Mara Quint"}, entry_id, person, KEY),
        "sealed": base64.b64encode(other).decode(),
    }
    with pytest.raises(SealError):
        opened(swapped, entry_id, person, KEY)


def test_an_entry_with_sealed_detail(session: Session) -> None:
    from datetime import UTC, datetime

    entry_id = new_id(datetime.now(UTC))
    sealed = detail({"name": "Mara Quint"}, entry_id, uuid4(), KEY)
    with transaction(session):
        assert ledger.append(session, Entry("subject.rectify", 7, detail=sealed, id=entry_id)) == entry_id
    assert ledger.show(session, entry_id).entry["detail"] == sealed
