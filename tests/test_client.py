"""The CRM's contract: what the client reads is recorded, what it writes lives, whoever was erased is gone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from conftest import Connection
from support_crm import new_tenant

from luactl import ledger
from luactl.client import Client
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.key import SealError
from luactl.key.rotate import plan_rotation, rotate
from luactl.tenant import Tenant, suspend

WHO = {"purpose": "appointment", "on_behalf": "user:17"}
NELE = {"first_name": "Nele", "last_name": "Ångström", "email": "nele@praxis.example", "external_id": "1"}
BRUNO = {"name": "Bruno Oliveira", "phone": "+49 30 901820"}
SAID = "SELECT convert_from(body, 'UTF8')::jsonb FROM ledger.entry WHERE actor = %s ORDER BY at, id"


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return new_tenant(session)


@pytest.fixture
def crm(login: Callable[..., Session]) -> Client:
    return Client(login("lua_app"))


def said(admin: Connection, crm: Client) -> list[dict[str, object]]:
    """Return what the ledger has of the service."""
    return [row[0] for row in admin.execute(SAID, [crm.session.actor])]


def test_it_imports_no_terminal() -> None:
    heavy = {"typer", "textual", "rich", "tabulate", "cryptography", "phonenumbers", "aiosql"}
    asked = "import luactl.client, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert not heavy & set(json.loads(done.stdout))


def test_what_is_made_is_read_and_both_are_recorded(crm: Client, tenant: Tenant, admin: Connection) -> None:
    made = crm.create(tenant.tenant_id, [NELE, BRUNO], **WHO)
    read = crm.page(tenant.tenant_id, **WHO)
    assert [one.fields for one in read.contacts] == [NELE, BRUNO]
    assert [one.contact_id for one in read.contacts] == [one.contact_id for one in made]
    *creations, reading = said(admin, crm)
    first, second = sorted(creations, key=lambda one: -len(one["detail"]["fields"]))  # type: ignore[index]
    known = crm.references(tenant.tenant_id, [one.subject_id for one in made])
    assert [first["subject"], second["subject"]] == [str(known[one.subject_id]) for one in made]
    assert {first["action"], second["action"]} == {"crm.contact.create"}
    assert first["detail"] == {"command": "test", "fields": sorted(NELE)}
    assert {one["on_behalf"] for one in (first, second, reading)} == {"user:17"}
    assert reading["id"] == str(read.entries[0])
    assert reading["purpose"] == "appointment"
    detail = reading["detail"]
    assert isinstance(detail, dict)
    assert sorted(detail["references"]) == sorted(map(str, known.values()))
    text = json.dumps([first, second, reading], ensure_ascii=False)
    assert not [value for value in (*NELE.values(), *BRUNO.values()) if len(value) > 1 and value in text]


def test_pages_follow_each_other(crm: Client, tenant: Tenant) -> None:
    crm.create(tenant.tenant_id, [{"name": f"Person {n}"} for n in range(5)], **WHO)
    first = crm.page(tenant.tenant_id, **WHO, limit=3)
    rest = crm.page(tenant.tenant_id, **WHO, limit=3, after=first.contacts[-1].contact_id)
    assert [len(first.contacts), first.more, len(rest.contacts), rest.more] == [3, True, 2, False]


def test_a_change_keeps_the_rest_and_is_found_by(crm: Client, tenant: Tenant, admin: Connection) -> None:
    crm.create(tenant.tenant_id, [{"name": f"Person {n}"} for n in range(20)], **WHO)  # indexes have a width
    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    changes = {"email": "nele@neu.example", "last_name": None}
    names = crm.update(tenant.tenant_id, made.contact_id, changes, **WHO)
    assert names == ("email", "external_id", "first_name")
    (now,) = crm.contacts(tenant.tenant_id, [made.contact_id], **WHO).contacts
    assert now.fields == {"email": "nele@neu.example", "first_name": "Nele", "external_id": "1"}
    (found,) = crm.find(tenant.tenant_id, "email", "Nele@neu.example", **WHO)
    assert found.subject_id == made.subject_id
    assert crm.find(tenant.tenant_id, "email", "nele@praxis.example", **WHO) == []
    assert crm.find(tenant.tenant_id, "external_id", "1", **WHO)[0].subject_id == made.subject_id
    told = [one["action"] for one in said(admin, crm)]
    assert told[20:24] == ["crm.contact.create", "read", "crm.contact.update", "read"]


@pytest.mark.parametrize("missing", ["purpose", "on_behalf"])
@pytest.mark.parametrize("said", ["", "  ", "x" * 201, "two\nlines"])
def test_nothing_without_a_purpose_and_a_user(
    missing: str, said: str, crm: Client, tenant: Tenant, admin: Connection
) -> None:
    who = {**WHO, missing: said}
    calls: list[Callable[[], object]] = [
        lambda: crm.page(tenant.tenant_id, **who),
        lambda: crm.create(tenant.tenant_id, [BRUNO], **who),
        lambda: crm.find(tenant.tenant_id, "name", "Bruno", **who),
        lambda: crm.update(tenant.tenant_id, UUID(int=1), {"name": "B"}, **who),
        lambda: crm.record_reads(tenant.tenant_id, [UUID(int=1)], what="table:x", **who),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=missing):
            call()
    assert admin.execute("SELECT count(*) FROM crm.subject").fetchone() == (0,)


def test_no_record_no_plaintext(crm: Client, tenant: Tenant, admin: Connection) -> None:
    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    admin.execute("ALTER TABLE ledger.entry ADD CONSTRAINT full_disk CHECK (action <> 'read') NOT VALID")
    for call in (
        lambda: crm.page(tenant.tenant_id, **WHO),
        lambda: crm.update(tenant.tenant_id, made.contact_id, {"email": "x@y.example"}, **WHO),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            call()
    admin.execute("ALTER TABLE ledger.entry DROP CONSTRAINT full_disk")
    assert crm.page(tenant.tenant_id, **WHO).contacts[0].fields == NELE


def test_a_batch_is_one_entry_for_up_to_a_thousand(crm: Client, tenant: Tenant, admin: Connection) -> None:
    people = [UUID(int=n) for n in range(1_500)]
    ids = crm.record_reads(tenant.tenant_id, people, what="table:crm.interaction", **WHO)
    parts = [one["detail"] for one in said(admin, crm)]
    assert len(ids) == 2
    assert [len(part["references"]) for part in parts] == [1_000, 500]  # type: ignore[index]


def test_a_running_client_follows_an_epoch(crm: Client, session: Session, tenant: Tenant) -> None:
    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    before = crm.keys(tenant.tenant_id)._nodes.epoch
    rotate(session, plan_rotation(session))
    assert crm.page(tenant.tenant_id, **WHO).contacts[0].fields == NELE
    assert crm._keys[tenant.tenant_id]._nodes.epoch == before + 1, "what the old epoch opened is forgotten"
    assert crm.update(tenant.tenant_id, made.contact_id, {"city": "Köln"}, **WHO)
    crm.create(tenant.tenant_id, [BRUNO], **WHO)
    assert len(crm.page(tenant.tenant_id, **WHO).contacts) == 2


@pytest.mark.parametrize("gone", ["crm.contact", "vault.slot"])
def test_a_change_that_meets_an_erasure_is_not_made(
    gone: str, crm: Client, tenant: Tenant, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between all that is read and the write the row goes, or the key under which it would be."""
    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    real = Client.references

    def erased_then(self: Client, *args: object) -> dict[UUID, UUID]:
        known = real(self, *args)  # type: ignore[arg-type]
        admin.execute(f"DELETE FROM {gone}".encode())
        return known

    monkeypatch.setattr(Client, "references", erased_then)
    with pytest.raises(NotFoundError):
        crm.update(tenant.tenant_id, made.contact_id, {"city": "Köln"}, **WHO)
    changed = "SELECT count(*) FROM crm.contact WHERE updated_at > created_at"
    assert admin.execute(changed).fetchone() == (0,)
    assert "crm.contact.update" not in {one["action"] for one in said(admin, crm)}


def test_whoever_is_re_keyed_between_is_read_again(
    crm: Client, session: Session, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from luactl.subject import plan_rectification, rectify

    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    plan = plan_rectification(session, tenant, made.subject_id, ("email",), "letter")
    real, rounds = Client._record, iter([lambda: rectify(session, tenant, plan, {"email": "n@x.example"})])

    def rekeyed_then(self: Client, *args: object) -> list[UUID]:
        next(rounds, lambda: None)()
        return real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "_record", rekeyed_then)
    assert crm.page(tenant.tenant_id, **WHO).contacts[0].fields["email"] == "n@x.example"


def test_a_value_that_was_moved_opens_nowhere(crm: Client, tenant: Tenant, admin: Connection) -> None:
    crm.create(tenant.tenant_id, [NELE, BRUNO], **WHO)
    admin.execute(
        "UPDATE crm.contact c SET personal = (SELECT o.personal FROM crm.contact o ORDER BY 1 LIMIT 1)"
    )
    with pytest.raises(SealError):
        crm.page(tenant.tenant_id, **WHO)


def test_what_refuses(crm: Client, session: Session, tenant: Tenant) -> None:
    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    with pytest.raises(RefusedError, match="taken"):
        crm.create(tenant.tenant_id, [{**BRUNO, "external_id": "1"}], **WHO)
    with pytest.raises(UsageError, match="external id"):
        crm.update(tenant.tenant_id, made.contact_id, {"external_id": "2"}, **WHO)
    with pytest.raises(UsageError, match="nobody"):
        crm.create(tenant.tenant_id, [{"city": "Köln"}], **WHO)
    for ids in ([], [{"name": "x"}] * 1_001):
        with pytest.raises(UsageError, match="at a time"):
            crm.create(tenant.tenant_id, ids, **WHO)
    with pytest.raises(NotFoundError):
        crm.update(tenant.tenant_id, UUID(int=7), {"city": "Köln"}, **WHO)
    suspend(session, tenant.slug, "bills")
    for call in (
        lambda: crm.create(tenant.tenant_id, [BRUNO], **WHO),
        lambda: crm.update(tenant.tenant_id, made.contact_id, {"city": "Köln"}, **WHO),
    ):
        with pytest.raises(RefusedError, match="suspended"):
            call()
    assert crm.page(tenant.tenant_id, **WHO).contacts[0].fields == NELE


def test_another_tenant_shows_nothing(crm: Client, session: Session, tenant: Tenant) -> None:
    (made,) = crm.create(tenant.tenant_id, [NELE], **WHO)
    other = new_tenant(session, "other")
    assert crm.contacts(other.tenant_id, [made.contact_id], **WHO).contacts == ()
    with pytest.raises(NotFoundError):
        crm.update(other.tenant_id, made.contact_id, {"city": "Köln"}, **WHO)


def test_the_call_as_the_contract_tells_it(crm: Client, tenant: Tenant, admin: Connection) -> None:
    """Whoever has no client of ours writes an entry by SQL alone; the actor is what Postgres says."""
    statement = (
        "SELECT ledger.append(ARRAY[%s]::uuid[], ARRAY[%s]::bigint[], ARRAY[NULL]::uuid[], ARRAY['read'],"
        " ARRAY['table:crm.contact'], ARRAY['done'], ARRAY['appointment'], ARRAY[%s], 'user:17', %s)"
    )
    detail = f'{{"command":"contacts","count":1,"part":1,"parts":1,"references":["{UUID(int=5)}"]}}'
    id_ = ledger.new_id(crm.session.clock.now())
    with transaction(crm.session, durable=True) as conn:
        conn.execute(statement, (id_, tenant.tenant_id, detail, "65f0.1a2b"))
    (entry,) = said(admin, crm)
    assert (entry["id"], entry["actor"]) == (str(id_), crm.session.actor)
    with pytest.raises(psycopg.errors.CheckViolation), transaction(crm.session) as conn:
        conn.execute(statement, (ledger.new_id(crm.session.clock.now()), tenant.tenant_id, '["x"]', ""))
