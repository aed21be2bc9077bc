"""Tenants: born whole or not at all, found by slug, suspended and resumed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest

from luactl import instruction, tenant
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.key import open_tenant
from luactl.tenant import NewTenant, birth

Cli = Callable[..., CompletedProcess[str]]
Login = Callable[..., Session]
NEW = NewTenant("praxis-nord", "Zahnarztpraxis Nord", "DE", "Dr. Ilka Behrendt <praxis@nord.example>")
INJECTION = "x'; DROP TABLE crm.role; -- %s %(a)s {0} :slug"


def rows(admin: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return admin.execute(query).fetchall()


TABLES = (
    "lua.tenant_directory",
    "lua.tenant",
    "lua.retention_rule",
    "lua.instruction",
    "crm.role",
    "ledger.entry",
    "ledger.pending",
    "vault.node",
)


def sizes(admin: psycopg.Connection[Any]) -> dict[str, int]:
    return {table: rows(admin, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def actions(admin: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return rows(
        admin, "SELECT action, object, tenant_id, outcome FROM ledger.entry WHERE tenant_id > 0 ORDER BY id"
    )


def test_a_tenant_is_born_with_all_it_needs(session: Session, admin: psycopg.Connection[Any]) -> None:
    made = tenant.create(session, NEW)
    assert (made.outcome, made.slug, made.country) == ("created", "praxis-nord", "DE")
    detail = tenant.show(session, "praxis-nord")
    assert detail.tenant.tenant_id == made.tenant_id
    assert detail.tenant.status == "active"
    assert {role.role for role in detail.roles} == {"owner", "manager", "agent", "accountant", "reader"}
    assert set(detail.roles) == set(made.roles)
    assert set(detail.rules) == set(made.rules)
    assert [order.reference for order in detail.instructions] == ["contract"]
    assert detail.instructions == (made.instruction,)
    assert detail.instructions[0].purpose == "run the CRM for the tenant"
    assert actions(admin) == [("tenant.create", "tenant:praxis-nord", made.tenant_id, "done")]
    counts = (detail.subjects, detail.erased, detail.contacts, detail.interactions, detail.invoices)
    assert counts == (0, 0, 0, 0, 0)
    body = json.loads(bytes(rows(admin, "SELECT body FROM ledger.entry WHERE tenant_id > 0")[0][0]))
    assert "Behrendt" not in json.dumps(body)  # who a person is does not belong into a record that stays


@pytest.mark.parametrize(("country", "months"), [("DE", 96), ("EE", 84), ("SE", 120), ("at", 120)])
def test_the_duty_to_keep_invoices_follows_the_country(session: Session, country: str, months: int) -> None:
    tenant.create(session, NewTenant("shop", "Shop", country, "someone"))
    rules = {rule.retention_class: rule for rule in tenant.show(session, "shop").rules}
    assert (rules["invoice"].months, rules["invoice"].minimum_months) == (months, months)
    assert rules["invoice"].starting_point == "year of issue"
    assert (rules["interaction"].months, rules["interaction"].minimum_months) == (36, 0)
    assert rules["interaction"].starting_point == "month of occurrence"
    assert rules["contact"].months is None
    if months == 120:
        assert f"check the law of {country.upper()}" in rules["invoice"].basis


def test_a_dry_run_is_the_plan_and_changes_nothing(session: Session, admin: psycopg.Connection[Any]) -> None:
    before = sizes(admin)
    plan = tenant.create(session, NEW, dry_run=True)
    assert (plan.outcome, plan.tenant_id) == ("planned", None)
    assert sizes(admin) == before
    made = tenant.create(session, NEW)
    for part in ("slug", "name", "country", "contact", "roles", "rules"):
        assert getattr(made, part) == getattr(plan, part)
    assert made.instruction.reference == plan.instruction.reference


def test_a_taken_slug_is_refused_dry_run_or_not(session: Session, admin: psycopg.Connection[Any]) -> None:
    tenant.create(session, NEW)
    before = sizes(admin)
    for dry_run in (False, True):
        with pytest.raises(LuactlError, match="there is a tenant praxis-nord already") as caught:
            tenant.create(session, NEW, dry_run=dry_run)
        assert caught.value.exit == 1
    assert sizes(admin) == before


def test_if_absent_takes_an_equal_tenant_only(session: Session, admin: psycopg.Connection[Any]) -> None:
    first = tenant.create(session, NEW, if_absent=True)
    before = sizes(admin)
    again = tenant.create(session, NEW, if_absent=True)
    assert (again.outcome, again.tenant_id) == ("exists", first.tenant_id)
    other = NewTenant(NEW.slug, "Somebody Else", "DE", NEW.contact)
    with pytest.raises(LuactlError, match="name 'Zahnarztpraxis Nord', not 'Somebody Else'"):
        tenant.create(session, other, if_absent=True)
    assert sizes(admin) == before


@pytest.mark.parametrize(
    "slug", ["", "a", "A-b", "a--b", "-a", "a-", "1a", "a b", "ä", "a" * 64, "a\nb", "a\0"]
)
def test_bad_slugs(session: Session, slug: str) -> None:
    with pytest.raises(UsageError, match="is no slug"):
        tenant.create(session, NewTenant(slug, "Name", "DE", "someone"))


def test_the_slug_of_the_house_itself_is_no_tenants(session: Session, admin: psycopg.Connection[Any]) -> None:
    with pytest.raises(UsageError, match="no tenant's"):
        tenant.create(session, NewTenant("lua-crm-itself", "Name", "DE", "someone"))
    for tenant_id, slug in ((7, "lua-crm-itself"), ((1 << 40) - 1, "other")):
        with pytest.raises(psycopg.errors.CheckViolation):
            admin.execute("INSERT INTO lua.tenant_directory VALUES (%s, %s, 99)", (tenant_id, slug))


@pytest.mark.parametrize("country", ["", "D", "DEU", "XX", "49", "D\0"])
def test_bad_countries(session: Session, country: str) -> None:
    with pytest.raises(UsageError, match="is no country"):
        tenant.create(session, NewTenant("ab", "Name", country, "someone"))


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\0b", "a\nb", "a\x1b[31m"])
def test_bad_names_and_contacts(session: Session, text: str) -> None:
    with pytest.raises(UsageError, match="the name"):
        tenant.create(session, NewTenant("ab", text, "DE", "someone"))
    with pytest.raises(UsageError, match="the contact"):
        tenant.create(session, NewTenant("ab", "Name", "DE", text))


def test_a_string_stays_a_string(session: Session) -> None:
    tenant.create(session, NewTenant("ab", INJECTION, "DE", INJECTION))
    found = tenant.find(session, "ab")
    assert (found.name, found.contact) == (INJECTION, INJECTION)
    tenant.suspend(session, "ab", INJECTION)
    assert tenant.find(session, "ab").reason == INJECTION
    with pytest.raises(NotFoundError):
        tenant.find(session, INJECTION)
    assert len(tenant.show(session, "ab").roles) == 5


def test_unknown_tenants_are_guessed(session: Session) -> None:
    tenant.create(session, NEW)
    with pytest.raises(NotFoundError) as caught:
        tenant.find(session, "praxis-nrod")
    assert "did you mean praxis-nord?" in (caught.value.hint or "")
    with pytest.raises(NotFoundError):
        tenant.find(session, "\0")


def test_all_tenants_are_listed(session: Session) -> None:
    for slug in ("bb", "aa", "cc"):
        tenant.create(session, NewTenant(slug, slug, "DE", "someone"))
    assert [one.slug for one in tenant.list_(session)] == ["bb", "aa", "cc"]


def test_suspending_and_resuming(session: Session, admin: psycopg.Connection[Any]) -> None:
    tenant.create(session, NEW)
    assert tenant.active(session, NEW.slug).status == "active"
    assert not tenant.resume(session, NEW.slug).changed
    plan = tenant.suspend(session, NEW.slug, "unpaid since May", dry_run=True)
    assert tenant.find(session, NEW.slug).status == "active"
    assert tenant.suspend(session, NEW.slug, "unpaid since May") == plan
    assert (plan.before, plan.after, plan.changed) == ("active", "suspended", True)
    assert not tenant.suspend(session, NEW.slug, "another reason").changed
    with pytest.raises(RefusedError, match="praxis-nord is suspended: unpaid since May"):
        tenant.active(session, NEW.slug)
    assert tenant.resume(session, NEW.slug).changed
    assert tenant.active(session, NEW.slug).reason is None
    assert [action for action, *_ in actions(admin)] == ["tenant.create", "tenant.suspend", "tenant.resume"]


def test_a_terminated_tenant_stays_so(session: Session, admin: psycopg.Connection[Any]) -> None:
    tenant.create(session, NEW)
    admin.execute("UPDATE lua.tenant SET status = 'terminated'")
    for change in (
        lambda: tenant.suspend(session, NEW.slug, "why"),
        lambda: tenant.resume(session, NEW.slug),
    ):
        with pytest.raises(RefusedError, match="terminated"):
            change()


@pytest.mark.parametrize(
    "role", ["lua_auditor", "lua_operator", "lua_dpo", "lua_responder", "lua_accounting"]
)
def test_only_administrators_create(login: Login, admin: psycopg.Connection[Any], role: str) -> None:
    before = sizes(admin)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        tenant.create(login(role), NEW)
    assert sizes(admin) == before


@pytest.mark.parametrize("role", ["lua_admin", "lua_operator", "lua_dpo", "lua_responder", "lua_auditor"])
def test_who_may_look(session: Session, login: Login, role: str) -> None:
    tenant.create(session, NEW)
    person = login(role)
    assert [one.slug for one in tenant.list_(person)] == [NEW.slug]
    assert tenant.show(person, NEW.slug).tenant.name == NEW.name


def test_two_at_once_make_one(home: Any, admin: psycopg.Connection[Any]) -> None:
    results: list[str] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        with open_session("test", command="tenant create") as mine:
            barrier.wait()
            try:
                results.append(tenant.create(mine, NEW).outcome)
            except LuactlError as error:
                results.append(error.what)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["created", *["there is a tenant praxis-nord already"] * 3]
    assert sizes(admin)["lua.tenant"] == len(actions(admin)) == 1


def test_losing_the_race_with_if_absent_is_fine(
    session: Session, monkeypatch: pytest.MonkeyPatch, admin: psycopg.Connection[Any]
) -> None:
    made = tenant.create(session, NEW)
    before = sizes(admin)
    real, asked = birth.directory, []

    def late(session: Session, slugs: Sequence[str]) -> dict[str, tuple[int, int]]:
        asked.extend(slugs)
        return {} if len(asked) == 1 else real(session, slugs)

    monkeypatch.setattr(birth, "directory", late)
    again = tenant.create(session, NEW, if_absent=True)
    assert (again.outcome, again.tenant_id) == ("exists", made.tenant_id)
    assert sizes(admin) == before


KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
STEPS = ("luactl.key.create_tenant", "luactl.ledger.append", "luactl.tenant.birth._columns")


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_between_leaves_nothing(
    home: Any, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = sizes(admin)
    module, _, name = step.rpartition(".")
    real = getattr(import_module(module), name)
    with open_session("test", command="tenant create") as mine:

        def killed(*args: Any) -> Any:
            done = real(*args)
            admin.execute(KILL, [mine.actor])
            return done

        monkeypatch.setattr(step, killed)
        with pytest.raises(psycopg.OperationalError):
            tenant.create(mine, NEW)
    assert sizes(admin) == before


def test_many_at_once(
    session: Session, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(birth, "BLOCK", 3)
    news = [NewTenant(f"t{n}", f"Tenant {n}", "DE", "someone") for n in range(8)]
    tenant.create(session, news[4])
    made = list(tenant.create_many(session, news, if_absent=True))
    assert [one.outcome for one in made] == ["created"] * 4 + ["exists"] + ["created"] * 3
    keys = admin.execute("SELECT key_no FROM lua.tenant_directory").fetchall()
    assert len(set(keys)) == 8
    for new in news:
        there = tenant.find(session, new.slug)
        assert there.name == new.name
        assert len(open_tenant(session, there.tenant_id).index_key) == 32
    with pytest.raises(UsageError):
        next(tenant.create_many(session, [NewTenant("t9", "T", "DE", "x"), NewTenant("-", "T", "DE", "x")]))
    twice = tenant.create_many(session, [NewTenant("t9", "T", "DE", "x")] * 2)
    assert next(twice).outcome == "created"
    with pytest.raises(LuactlError, match="already"):
        next(twice)
    assert len(tenant.list_(session)) == 9


def test_what_was_rolled_back_is_not_built_upon(
    session: Session, monkeypatch: pytest.MonkeyPatch, admin: psycopg.Connection[Any]
) -> None:
    # The slug is taken by a row without key nodes, so the first try makes all parents of nodes in vain.
    admin.execute("INSERT INTO lua.tenant_directory VALUES (999, %s, 999999)", [NEW.slug])
    admin.execute(
        "INSERT INTO lua.tenant VALUES (999, %s, %s, 'DE', %s, 'pooled', 'active', NULL, now(), now())",
        [NEW.slug, NEW.name, NEW.contact],
    )
    real = birth.directory
    monkeypatch.setattr(
        birth, "directory", lambda session, slugs: real(session, slugs) if len(slugs) == 1 else {}
    )
    news = [NEW, NewTenant("after", "After", "DE", "someone")]
    made = list(tenant.create_many(session, news, if_absent=True))
    assert [one.outcome for one in made] == ["exists", "created"]
    orphans = admin.execute(
        "SELECT count(*) FROM vault.node c WHERE length(path) > 0 AND NOT EXISTS"
        " (SELECT FROM vault.node p WHERE p.path = substr(c.path, 1, length(c.path) - 1))"
    ).fetchone()
    assert orphans == (0,)
    assert len(open_tenant(session, tenant.find(session, "after").tenant_id).index_key) == 32


def test_tenants_do_not_see_each_other(session: Session) -> None:
    one = tenant.create(session, NEW).tenant_id
    other = tenant.create(session, NewTenant("other", "Other", "EE", "someone")).tenant_id
    for table in ("lua.tenant", "lua.retention_rule", "lua.instruction", "crm.role"):
        with transaction(session, one) as conn:
            seen = conn.execute(f"SELECT DISTINCT tenant_id FROM {table}").fetchall()
        assert seen == [(one,)]
    assert one != other


def test_instructions(session: Session, admin: psycopg.Connection[Any]) -> None:
    tenant.create(session, NEW)
    there = tenant.find(session, NEW.slug)
    new = instruction.prepare(session, "ticket 17", "erase on request", "Dr. Ilka Behrendt")
    before = sizes(admin)
    assert instruction.add(session, there, new, dry_run=True) == new
    assert sizes(admin) == before
    instruction.add(session, there, new)
    assert instruction.find(session, there, "ticket 17") == new
    assert [one.reference for one in instruction.list_(session, there)] == ["contract", "ticket 17"]
    again = instruction.prepare(session, "ticket 17", "something else", "someone")
    for dry_run in (True, False):
        with pytest.raises(LuactlError, match="has an instruction 'ticket 17' already"):
            instruction.add(session, there, again, dry_run=dry_run)
    assert actions(admin)[1:] == [("instruction.add", "instruction:ticket 17", there.tenant_id, "done")]
    with pytest.raises(NotFoundError):
        instruction.find(session, there, INJECTION)
    instruction.add(session, there, instruction.prepare(session, INJECTION, INJECTION, INJECTION))
    assert instruction.find(session, there, INJECTION).purpose == INJECTION


def test_an_instruction_ends(session: Session) -> None:
    from datetime import timedelta

    now = session.clock.now()
    new = instruction.prepare(session, "r", "p", "w", now + timedelta(days=1))
    assert new.in_force(new.valid_from)
    assert not new.in_force(now + timedelta(days=1))
    assert not new.in_force(now - timedelta(days=1))
    with pytest.raises(UsageError, match="before it begins"):
        instruction.prepare(session, "r", "p", "w", now - timedelta(days=1))


def test_on_the_command_line(cli: Cli) -> None:
    made = cli(
        "tenant", "create", "shop", "--name", "Shop", "--country", "ee", "--contact", "x", "-o", "json"
    )
    assert made.returncode == 0, made.stderr
    data = json.loads(made.stdout)["data"]
    assert (data["outcome"], data["country"]) == ("created", "EE")
    taken = cli("tenant", "create", "shop", "--name", "Shop", "--country", "EE", "--contact", "x")
    assert taken.returncode == 1
    assert "already" in taken.stderr
    same = cli(
        "tenant", "create", "shop", "--name", "Shop", "--country", "EE", "--contact", "x", "--if-absent"
    )
    assert same.returncode == 0, same.stderr
    assert cli("tenant", "create", "s", "--name", "S", "--country", "EE", "--contact", "x").returncode == 2
    listed = json.loads(cli("tenant", "list", "-o", "json").stdout)
    assert [one["slug"] for one in listed["data"]] == ["shop"]
    assert cli("tenant", "suspend", "shop", "--reason", "unpaid").returncode == 2  # nobody there to ask
    assert cli("tenant", "suspend", "shop", "--reason", "unpaid", "--yes").returncode == 0
    assert cli("tenant", "suspend", "shop", "--reason", "unpaid").returncode == 0  # nothing to confirm
    shown = json.loads(cli("tenant", "show", "shop", "-o", "json").stdout)["data"]
    assert (shown["tenant"]["status"], shown["tenant"]["reason"]) == ("suspended", "unpaid")
    assert cli("tenant", "resume", "shop", "--yes").returncode == 0
    missing = cli("tenant", "show", "shpo")
    assert missing.returncode == 1
    assert "did you mean shop?" in missing.stderr
    added = cli(
        "instruction", "add", "--tenant", "shop", "--reference", "r1", "--purpose", "p", "--given-by", "w",
        "--until", "2999-01-01", "-o", "json",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    orders = json.loads(cli("instruction", "list", "--tenant", "shop", "-o", "json").stdout)["data"]
    assert [one["reference"] for one in orders] == ["contract", "r1"]
    assert cli(
        "instruction", "add", "--tenant", "shop", "--reference", "r2", "--purpose", "p", "--given-by", "w",
        "--until", "soon",
    ).returncode == 2  # fmt: skip
