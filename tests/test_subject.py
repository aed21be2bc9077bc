"""Subjects: found by what they are known by, recorded before shown, located without being opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support_subject import add_history, add_people
from uuid_utils.compat import uuid7

from luactl import subject, tenant
from luactl.db import Session, transaction
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.key import blind
from luactl.key.seal import unseal
from luactl.subject import Kind
from luactl.tenant import NewTenant, Tenant

FINDING = import_module("luactl.subject.finding")
WIDENING = import_module("luactl.subject.widening")
SEALING = import_module("luactl.key.seal")  # the package has a function of that name
Cli = Callable[..., CompletedProcess[str]]
LUISA = {
    "first_name": "Luísa", "last_name": "Gonçalves-Weiß", "company": "Atelier Ångström",
    "email": "Luisa@Bücher.example", "phone": "0171 1234567", "mobile": "030 901820",
    "external_id": "K-17",
}  # fmt: skip
INJECTION = "x'; DROP TABLE crm.contact; -- %s %(a)s {0} :slug"


def crowd(number: int) -> list[dict[str, str]]:
    return [
        {
            "name": f"Person{n} Sippel{n}",
            "email": f"p{n}@crowd.example",
            "phone": f"+4930 9018{n:03}",
            "external_id": f"c{n}",
        }
        for n in range(number)
    ]


@pytest.fixture
def shop(session: Session) -> Tenant:
    tenant.create(session, NewTenant("shop", "Shop", "DE", "someone"))
    return tenant.find(session, "shop")


def entries(admin: psycopg.Connection[Any], *names: str) -> list[dict[str, Any]]:
    found = admin.execute("SELECT body FROM ledger.entry WHERE action = ANY (%s) ORDER BY id", [list(names)])
    return [json.loads(bytes(body)) for (body,) in found]


def look(session: Session, there: Tenant, kind: Kind, value: str) -> list[UUID]:
    return [one.subject_id for one in subject.find(session, there, kind, value, purpose="she asked")]


QUESTIONS: tuple[tuple[Kind, str], ...] = (
    ("email", " luisa@BÜCHER.example"),
    ("email", "luisa@xn--bcher-kva.example"),
    ("phone", "+491711234567"),
    ("phone", "0049 (0)171/1234567"),
    ("phone", "030 901820"),
    ("name", "goncalves"),
    ("name", "WEISS, Luisa"),
    ("name", "atelier angstrom"),
    ("external_id", "K-17"),
)
MISSES: tuple[tuple[Kind, str], ...] = (
    ("email", "luisa@other.example"),
    ("phone", "+491711234568"),
    ("name", "Luisa Sippel"),
    ("name", "lui"),
    ("external_id", "k-17"),
    ("email", "x'--@y.example"),
    ("name", INJECTION),
    ("external_id", INJECTION),
)


def test_found_by_each_identity_whatever_the_width(session: Session, shop: Tenant) -> None:
    (luisa,) = add_people(session, shop, [LUISA], 0)
    for version in (0, 4, 9, 16, 26):
        add_people(
            session,
            shop,
            [{"name": f"Other{version} Sippel"} | crowd(1)[0] | {"external_id": f"v{version}"}],
            version,
        )
    (twin,) = add_people(session, shop, [LUISA | {"external_id": "K-18"}], 16)
    for kind, value in QUESTIONS:
        expected = [luisa] if kind == "external_id" else [luisa, twin]
        assert look(session, shop, kind, value) == expected, (kind, value)
    for kind, value in MISSES:
        assert look(session, shop, kind, value) == [], (kind, value)


def test_what_is_shown(session: Session, shop: Tenant) -> None:
    (luisa,) = add_people(session, shop, [LUISA], 0)
    (found,) = subject.find(session, shop, "email", LUISA["email"], purpose="she asked")
    assert (found.subject_id, found.status) == (luisa, "active")
    assert (found.name, found.email) == ("Luísa Gonçalves-Weiß", "Luisa@Bücher.example")
    assert subject.display_name({"name": "A"}) == "A"
    assert subject.display_name({"company": "C"}) == "C"
    assert subject.display_name({}) is None


def test_the_index_narrows_the_search(
    session: Session, shop: Tenant, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 301
    version = blind.version_for(rows)
    luisa = add_people(session, shop, [LUISA, *crowd(rows - 1)], version)[0]
    monkeypatch.setattr(FINDING, "PAGE", 7)
    for kind, value in QUESTIONS:
        assert look(session, shop, kind, value) == [luisa], (kind, value)
    counted = {
        entry["detail"]["by"]: entry["detail"]["candidates"] for entry in entries(admin, "subject.find")
    }
    assert (blind.widths(version).email, blind.widths(version).phone, blind.widths(version).name) == (2, 1, 1)
    # Means are 1/4, 1/2 and at most 3/4 of the rows; the bounds lie six standard deviations off and more.
    assert counted["external_id"] == 1
    assert 1 <= counted["email"] < rows // 2
    assert 1 <= counted["phone"] < rows * 8 // 10
    assert 1 <= counted["name"] < rows * 9 // 10


def test_recorded_before_opened_and_before_shown(
    session: Session, shop: Tenant, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_people(session, shop, [LUISA, *crowd(3)], 0)
    seen: list[int] = []
    real = unseal

    def watched(*args: Any) -> Any:
        if args[1].table == "crm.contact":
            seen.append(len(entries(admin, "subject.find")))  # another connection: it sees what is committed
        return real(*args)

    monkeypatch.setattr(SEALING, "unseal", watched)
    look(session, shop, "email", LUISA["email"])
    assert seen == [1] * 4
    (search,) = entries(admin, "subject.find")
    assert search["detail"] == {"by": "email", "candidates": 4, "command": "test"}
    assert search["purpose"] == "she asked"
    (read,) = entries(admin, "read")
    assert (read["tenant"], read["purpose"], len(read["detail"]["references"])) == (
        shop.tenant_id,
        "she asked",
        1,
    )
    everything = (
        b"".join(bytes(body) for (body,) in admin.execute("SELECT body FROM ledger.entry")).decode().lower()
    )
    for word in ("luisa", "luísa", "example", "1711234567", "k-17"):
        assert word not in everything


def test_no_record_no_plaintext(session: Session, shop: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    add_people(session, shop, [LUISA], 0)

    def broken(*_args: Any, **_named: Any) -> None:
        raise psycopg.errors.DiskFull("no space left")

    def never(*_args: Any) -> None:
        pytest.fail("opened without a record")

    monkeypatch.setattr(SEALING, "unseal", never)
    monkeypatch.setattr("luactl.ledger.append", broken)
    with pytest.raises(psycopg.errors.DiskFull):
        look(session, shop, "email", LUISA["email"])


def test_hits_are_not_shown_when_the_read_cannot_be_recorded(
    session: Session, shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_people(session, shop, [LUISA], 0)

    def broken(*_args: Any, **_named: Any) -> None:
        raise psycopg.errors.DiskFull("no space left")

    monkeypatch.setattr("luactl.ledger.record_read", broken)
    with pytest.raises(psycopg.errors.DiskFull):
        look(session, shop, "email", LUISA["email"])


@pytest.mark.parametrize(
    ("kind", "value"),
    [("email", "nobody"), ("phone", "12345"), ("name", " - "), ("external_id", " "), ("name", "a\0b"),
     ("email", "a@b" + "x" * 2000), ("email", "\udcff@a.example"), ("shoe", "43")],
)  # fmt: skip
def test_malformed_identities_are_not_repeated(
    session: Session, shop: Tenant, admin: psycopg.Connection[Any], kind: Any, value: str
) -> None:
    with pytest.raises(UsageError) as caught:
        look(session, shop, kind, value)
    assert value.strip(" -") == "" or value not in caught.value.what
    assert entries(admin, "subject.find", "read") == []


def test_a_purpose_is_needed(session: Session, shop: Tenant) -> None:
    with pytest.raises(UsageError, match="purpose"):
        subject.find(session, shop, "name", "Luisa", purpose=" ")


def test_nobody_of_another_tenant_is_found(session: Session, shop: Tenant) -> None:
    add_people(session, shop, [LUISA, *crowd(3)], 0)
    tenant.create(session, NewTenant("other", "Other", "DE", "someone"))
    other = tenant.find(session, "other")
    for kind, value in QUESTIONS:
        assert look(session, other, kind, value) == []


def test_identities_never_reach_the_server(
    session: Session, shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_people(session, shop, [LUISA], 9)
    sent: list[str] = []
    real = psycopg.Cursor.execute

    def spy(self: Any, query: Any, params: Any = None, **named: Any) -> Any:
        sent.append(f"{query} {params}".lower())
        return real(self, query, params, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", spy)
    for kind, value in QUESTIONS:
        look(session, shop, kind, value)
    assert any("email_index" in text for text in sent)
    for word in ("luisa", "luísa", "weiss", "bücher", "kva", "1711234567", "901820", "k-17"):
        assert not [text for text in sent if word in text], word


def test_where_a_persons_data_lie(session: Session, shop: Tenant, admin: psycopg.Connection[Any]) -> None:
    (luisa, other) = add_people(session, shop, [LUISA, crowd(1)[0]], 0)
    add_history(session, shop, luisa, [202401, 202402, 202402], [2019, 2024])
    add_history(session, shop, other, [202301], [2018])
    there = subject.show(session, shop, luisa)
    assert (there.subject_id, there.status, there.erased_at) == (luisa, "active", None)
    assert there.living_keys == ("main",)
    assert [(one.table, one.rows, one.key_class, one.period, one.retained) for one in there.holdings] == [
        ("crm.contact", 1, "main", None, False),
        ("crm.contact_key", 1, None, None, False),
        ("crm.interaction", 1, "main", 202401, False),
        ("crm.interaction", 2, "main", 202402, False),
        ("crm.invoice", 1, "accounting", 2019, False),
        ("crm.invoice", 1, "accounting", 2024, False),
        ("crm.invoice_line", 2, "accounting", 2019, False),
        ("crm.invoice_line", 2, "accounting", 2024, False),
        ("crm.subject", 1, "main", None, False),
    ]
    admin.execute(
        "UPDATE crm.subject SET status = 'erased', erased_at = now() WHERE subject_id = %s", [luisa]
    )
    with transaction(session, shop.tenant_id) as conn:
        conn.execute("SELECT crm.retain_invoices(%s, %s, now())", (shop.tenant_id, [luisa]))
    *_, hidden = subject.show(session, shop, luisa).holdings
    assert (hidden.table, hidden.rows, hidden.retained) == ("crm.invoice_line", 2, True)
    assert entries(admin, "read") == []
    with pytest.raises(NotFoundError, match=str(shop.tenant_id) + "|no subject"):
        subject.show(session, shop, uuid7())


@pytest.mark.parametrize("role", ["lua_admin", "lua_operator", "lua_dpo", "lua_responder", "lua_auditor"])
def test_who_may_look_where_data_lie(
    session: Session, shop: Tenant, login: Callable[..., Session], role: str
) -> None:
    (luisa,) = add_people(session, shop, [LUISA], 0)
    assert subject.show(login(role), shop, luisa).status == "active"


@pytest.mark.parametrize("role", ["lua_admin", "lua_responder", "lua_auditor", "lua_accounting"])
def test_who_may_not_search(
    session: Session, shop: Tenant, login: Callable[..., Session], role: str, admin: psycopg.Connection[Any]
) -> None:
    add_people(session, shop, [LUISA], 0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        look(login(role), shop, "email", LUISA["email"])
    assert entries(admin, "subject.find", "read") == []


def test_lock(session: Session, shop: Tenant, admin: psycopg.Connection[Any]) -> None:
    luisa, other = add_people(session, shop, [LUISA, crowd(1)[0]], 0)
    with transaction(session, shop.tenant_id):
        subject.lock(session, shop.tenant_id, [luisa, other])
        admin.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            admin.execute("UPDATE crm.subject SET status = 'erased', erased_at = now()")
    admin.execute(
        "UPDATE crm.subject SET status = 'erased', erased_at = now() WHERE subject_id = %s", [other]
    )
    with pytest.raises(RefusedError, match=f"{other} is erased"), transaction(session, shop.tenant_id):
        subject.lock(session, shop.tenant_id, [luisa, other])
    with pytest.raises(NotFoundError), transaction(session, shop.tenant_id):
        subject.lock(session, shop.tenant_id, [luisa, uuid7()])


def test_reindex(
    session: Session, shop: Tenant, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    luisa = add_people(session, shop, [LUISA, *crowd(39)], 0)[0]
    gone = add_people(session, shop, [{"name": "Ada Nolting"}], 0)[0]
    monkeypatch.setattr(WIDENING, "BATCH", 16)
    plan = subject.plan_reindex(session, shop)
    assert (plan.version, plan.rows, plan.outdated, plan.done) == (5, 41, 41, 0)
    admin.execute("DELETE FROM vault.slot WHERE tenant_id = %s AND subject_id = %s", (shop.tenant_id, gone))
    steps: list[int] = []
    done = subject.reindex(session, shop, plan, steps.append)
    assert (done.outdated, done.done, steps) == (41, 40, [16, 16, 8])
    batches = entries(admin, "subject.reindex")
    assert [batch["detail"] for batch in batches] == [{"rows": n, "version": 5} for n in (16, 16, 8)]
    assert [len(read["detail"]["references"]) for read in entries(admin, "read")] == [16, 16, 8]
    bits = blind.widths(5)
    values = admin.execute(
        "SELECT min(email_index), max(email_index) FROM crm.contact WHERE index_version = 5"
    ).fetchone()
    assert values is not None
    assert 0 <= values[0] < values[1] < 1 << bits.email
    for kind, value in QUESTIONS:
        assert look(session, shop, kind, value) == [luisa]
    again = subject.plan_reindex(session, shop)
    assert (again.version, again.outdated) == (5, 1)


def test_reindex_goes_on_after_an_interruption(
    session: Session, shop: Tenant, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_people(session, shop, crowd(40), 0)
    monkeypatch.setattr(WIDENING, "BATCH", 16)

    def stop(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        subject.reindex(session, shop, subject.plan_reindex(session, shop), stop)
    plan = subject.plan_reindex(session, shop)
    assert plan.outdated == 24
    assert subject.reindex(session, shop, plan).done == 24
    assert sum(batch["detail"]["rows"] for batch in entries(admin, "subject.reindex")) == 40


def test_reindex_leaves_what_somebody_changed_meanwhile(
    session: Session, shop: Tenant, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add_people(session, shop, crowd(20), 0)[0]
    real = WIDENING.opened

    def slow(*args: Any) -> Any:
        opened = list(real(*args))
        admin.execute("UPDATE crm.contact SET updated_at = now() WHERE subject_id = %s", [first])
        return iter(opened)

    monkeypatch.setattr(WIDENING, "opened", slow)
    assert subject.reindex(session, shop, subject.plan_reindex(session, shop)).done == 19


def test_on_the_command_line(session: Session, shop: Tenant, cli: Cli) -> None:
    (luisa,) = add_people(session, shop, [LUISA], 0)
    found = cli(
        "subject", "find", "--tenant", "shop", "--email", "-", "-o", "json", stdin="luisa@bücher.example\n"
    )
    assert found.returncode == 0, found.stderr
    (one,) = json.loads(found.stdout)["data"]
    assert one["subject_id"] == str(luisa)
    nobody = cli("subject", "find", "--tenant", "shop", "--name", "Nobody", "-o", "json")
    assert (nobody.returncode, json.loads(nobody.stdout)["data"]) == (0, [])
    assert cli("subject", "find", "--tenant", "shop").returncode == 2
    assert cli("subject", "find", "--tenant", "shop", "--email", "-").returncode == 2
    assert cli("subject", "find", "--tenant", "shop", "--email", "a@b.example", "--name", "x").returncode == 2
    assert cli("subject", "find", "--tenant", "shpo", "--name", "x").returncode == 1
    assert cli("subject", "find", "--tenant", INJECTION, "--name", "x").returncode == 1
    for by in ("--email", "--name", "--external-id"):
        value = INJECTION + "@x.example" if by == "--email" else INJECTION
        tried = cli("subject", "find", "--tenant", "shop", by, value, "--purpose", INJECTION, "-o", "json")
        assert (tried.returncode, json.loads(tried.stdout)["data"]) == (0, []), tried.stderr
    shown = cli("subject", "show", str(luisa), "--tenant", "shop", "-o", "json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["data"]["living_keys"] == ["main"]
    assert cli("subject", "show", "17", "--tenant", "shop").returncode == 2
    assert cli("subject", "show", str(uuid7()), "--tenant", "shop").returncode == 1
    plan = cli("subject", "reindex", "--tenant", "shop", "--dry-run", "-o", "json")
    done = cli("subject", "reindex", "--tenant", "shop", "-o", "json")
    assert json.loads(plan.stdout)["data"] == json.loads(done.stdout)["data"]  # one row needs no index
    tenant.suspend(session, "shop", "unpaid")
    assert cli("subject", "reindex", "--tenant", "shop").returncode == 5


def test_off_a_key_host_nothing_opens(
    session: Session, shop: Tenant, home: Any, admin: psycopg.Connection[Any]
) -> None:
    add_people(session, shop, [LUISA], 0)
    holder = home.path / "keys" / "holder"
    holder.rename(holder.with_name("elsewhere"))
    with pytest.raises(LuactlError) as caught:
        look(session, shop, "email", LUISA["email"])
    assert caught.value.exit == 5
    assert entries(admin, "subject.find", "read") == []
