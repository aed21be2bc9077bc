"""Every promise is kept in a home as it should be, and found broken when somebody really breaks it.

The superuser breaks: no other login can.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, TestServer
from support_erasure import erase, later, new_tenant, person, practice
from support_server import admission
from support_staff import hire, know_everybody, publish
from support_whole import changes, snapshot

from luactl import ledger, promise, retention, secret
from luactl.clock import FixedClock
from luactl.connect import dial
from luactl.db import Session
from luactl.promise import Look, probes
from luactl.promise.proving import look
from luactl.shipped import GROUPS

PAGE = promise.load()
Login = Callable[..., Session]
SMILE = "(SELECT tenant_id FROM lua.tenant WHERE slug = 'smile')"


# The very frame check is a constraint, so whoever breaks it drops that first.
SECRET = "ALTER TABLE lua.secret DROP CONSTRAINT secret_sealed_check; UPDATE lua.secret"


def run(session: Session, probe: str) -> Look:
    return look(session, PAGE, probe)


@pytest.fixture
def keeper(session: Session, login: Login, admin: Connection, tmp_path: Path) -> Session:
    """A login that may see everything, in a home where every promise that can be proven is kept."""
    tenant = practice(session)
    retention.purge(session, retention.plan(session, [tenant]))
    erase(session, tenant, person(session, tenant), tmp_path)
    secret.put(session, tenant, secret.plan_put(session, tenant, "smtp"), "hunter2")
    ledger.integrate(session)
    made = login(*GROUPS)
    admin.execute(f"GRANT pg_read_all_stats TO {made.actor}")
    admin.execute(f"GRANT SELECT ON pg_hba_file_rules TO {made.actor}")
    admin.execute(f"GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {made.actor}")
    admin.execute(f"GRANT SELECT ON pg_authid TO {made.actor}")
    return made


def test_all_that_can_be_kept_is_kept(keeper: Session, server: TestServer) -> None:
    hire(keeper, "boss")
    know_everybody(keeper, "boss")
    publish(keeper, "desks", keeper.clock.now().date())
    proof = promise.prove(keeper, PAGE, PAGE.clauses)
    states = {one.id: (one.state, one.why) for one in proof.promises if one.probe}
    open_ones = {id for id, (state, _why) in states.items() if state != "kept"}
    assert open_ones == {"4.4", "12.1"} | (set() if server.server.tls else {"3.1"}), states
    silent = [one for one in proof.promises if one.probe is None]
    assert {(one.state, one.why) for one in silent} == {("not observable", "nothing looks yet")}
    assert sum(proof.counts.values()) == len(proof.promises) == len(PAGE.clauses)
    assert all(one.attempts for one in proof.promises if one.state == "kept")


@pytest.mark.long
def test_proving_leaves_one_entry_and_nothing_else(keeper: Session, admin: Connection) -> None:
    before = snapshot(admin)
    proof = promise.prove(keeper, PAGE, PAGE.clauses)
    found = changes(before, snapshot(admin))
    assert {(one.table, one.how) for one in found} == {
        ("ledger.entry", "insert"),
        ("ledger.pending", "insert"),
    }
    (entry,) = [one.fields for one in found if one.table == "ledger.entry"]
    assert (entry["id"], entry["action"]) == (str(proof.entry_id), "promise.prove")
    said = ledger.show(keeper, proof.entry_id).entry["detail"]
    assert said == {"page": "Lua CRM", "states": {one.id: one.state for one in proof.promises}}


# What a superuser can do to break each promise, and what the probe says then.
BREACHES = [
    (
        "orphans",
        "SET session_replication_role = replica;"
        f"UPDATE crm.contact SET subject_id = gen_random_uuid() WHERE tenant_id = {SMILE};"
        "RESET session_replication_role",
        "2 of 2 contacts of smile belong to no customer",
    ),
    (
        "orphans",
        "ALTER TABLE crm.interaction_pooled DROP CONSTRAINT interaction_tenant_id_subject_id_fkey",
        "an orphan can be written: interaction at smile",
    ),
    (
        "instructions",
        "UPDATE lua.instruction SET valid_from = '2020-01-01', valid_until = '2021-01-01'",
        "smile is active without an instruction in force",
    ),
    (
        "rights",
        "GRANT SELECT (personal) ON crm.contact TO lua_auditor",
        "lua_auditor may SELECT crm.contact.personal",
    ),
    (
        "rights",
        "GRANT USAGE ON SCHEMA crm TO lua_ai; GRANT SELECT ON crm.contact TO lua_ai",
        "lua_ai may SELECT crm.contact",
    ),
    ("rights", "GRANT INSERT (kind) ON crm.interaction TO lua_dpo", "lua_dpo may INSERT crm.interaction"),
    ("rights", "GRANT UPDATE (name) ON lua.tenant TO lua_app", "lua_app may UPDATE lua.tenant.name"),
    ("rights", "GRANT TRUNCATE ON crm.role TO lua_operator", "lua_operator may TRUNCATE crm.role"),
    ("rights", "GRANT DELETE ON lua.instruction TO lua_admin", "lua_admin may DELETE lua.instruction"),
    ("rights", "GRANT EXECUTE ON FUNCTION lua.tenants() TO lua_app", "lua_app may execute lua.tenants()"),
    ("rights", "GRANT CREATE ON SCHEMA lua TO lua_dpo", "lua_dpo may make objects in schema lua"),
    ("rights", "GRANT USAGE ON SCHEMA crm TO lua_ai", "lua_ai may use schema crm"),
    (
        "rights",
        "GRANT USAGE ON SEQUENCE lua.pooled_tenant TO lua_responder",
        "lua_responder may take numbers of lua.pooled_tenant",
    ),
    (
        "rights",
        "CREATE VIEW crm.people AS SELECT * FROM crm.contact; GRANT SELECT ON crm.people TO lua_responder",
        "lua_responder may SELECT crm.people",
    ),
    (
        "isolation",
        "ALTER TABLE crm.contact DISABLE ROW LEVEL SECURITY",
        "this login can read rows of another tenant in crm.contact",
    ),
    (
        "isolation",
        "CREATE POLICY open ON crm.invoice_line FOR SELECT TO lua_app USING (true)",
        "lua_app can count rows of another tenant in crm.invoice_line",
    ),
    (
        "isolation",
        "CREATE POLICY open ON crm.role FOR INSERT TO lua_admin WITH CHECK (true)",
        "lua_admin can insert rows of another tenant in crm.role",
    ),
    (
        "isolation",
        "ALTER POLICY tenant ON vault.slot USING (tenant_id <> 0)",
        "lua_operator can insert rows of another tenant in vault.slot",
    ),
    (
        "isolation",
        "CREATE POLICY open ON crm.contact USING (current_setting('lua.tenant_id', true) = '')",
        "lua_app can read without a context rows of another tenant in crm.contact",
    ),
    (
        "dedicated",
        "INSERT INTO lua.tenant_directory VALUES (1099511627777, 'castle', 77);"
        "INSERT INTO lua.tenant VALUES (1099511627777, 'castle', 'Castle', 'DE', 'office@castle.example',"
        " 'dedicated', 'active', NULL, now(), now())",
        "castle is dedicated, but shares crm.contact with others",
    ),
    ("ledger", "GRANT UPDATE (body) ON ledger.entry TO lua_auditor", "lua_auditor may update ledger.entry"),
    ("ledger", "GRANT DELETE ON ledger.leaf TO lua_operator", "lua_operator may remove rows of ledger.leaf"),
    (
        "ledger",
        "GRANT TRUNCATE ON ledger.entry_other TO lua_admin",
        "lua_admin may truncate ledger.entry_other",
    ),
    (
        "ledger",
        "UPDATE ledger.entry SET actor = 'somebody', body = convert_to(replace(convert_from(body, 'UTF8'),"
        " actor, 'somebody'), 'UTF8') WHERE action = 'tenant.create'",
        "the entry was changed after it was signed",
    ),
    (
        "ledger",
        "CREATE POLICY hidden ON ledger.entry AS RESTRICTIVE FOR SELECT USING (action <> 'read')",
        "a planted event is not found by the rule bulk-read",
    ),
    (
        "credentials",
        'UPDATE crm.contact SET personal = \'{"name": "Nele Sommer", "email": "nele@praxis.example"}\'',
        "not a sealed value",
    ),
    (
        "credentials",
        "UPDATE crm.interaction SET personal = substr(personal, 1, 22) ||"
        " 'asked for a quiet room near the garden, and for tea'",
        "a value in crm.interaction.personal of smile has readable content",
    ),
    (
        "credentials",
        "UPDATE crm.invoice SET accounting = substr(accounting, 1, 22) || decode(repeat('0f', 20000), 'hex')",
        "the bytes of crm.invoice.accounting are not random",
    ),
    (
        "credentials",
        f"{SECRET} SET created_by = 'lua_abcdefgh_' || repeat('A1', 21) || 'z'",
        "a token stands in clear beside secret smtp of smile",
    ),
    (
        "credentials",
        f"{SECRET} SET sealed = 'in clear: smtps://office:geheim@mail.praxis.example'",
        "a value in lua.secret.sealed of smile: not a sealed credential",
    ),
    (
        "credentials",
        f"{SECRET} SET sealed = '\\002smtps://office:geheim@mail.praxis.example' || sealed",
        "a value in lua.secret.sealed of smile has readable content",
    ),
    (
        "erasures",
        "INSERT INTO crm.contact SELECT tenant_id, gen_random_uuid(), subject_id, 'x', 1, 1, '{}', '{}',"
        " entry_id, now(), now() FROM crm.subject WHERE status = 'erased'",
        "1 rows in crm.contact",
    ),
    (
        "contact",
        "ALTER TABLE lua.tenant DROP CONSTRAINT tenant_contact_check; UPDATE lua.tenant SET contact = ' '",
        "smile has nobody whom notices could go to",
    ),
]


# The probe of rights tries thousands of things, and one run finds all that was granted.
RIGHTS = [breach for breach in BREACHES if breach[0] == "rights"]
OTHERS = [breach for breach in BREACHES if breach[0] != "rights"]


@pytest.mark.parametrize(
    ("probe", "breach", "said"), OTHERS, ids=[f"{b[0]}-{n}" for n, b in enumerate(OTHERS)]
)
def test_what_somebody_breaks_is_found_broken(
    keeper: Session, admin: Connection, probe: str, breach: str, said: str
) -> None:
    admin.execute(breach.encode())  # that nothing was broken before, the test of all promises says
    found = run(keeper, probe)
    assert found.state == "broken"
    assert [one for one in found.broken if said in one], found.broken


def test_every_right_too_many_is_found(keeper: Session, admin: Connection) -> None:
    for _probe, breach, _said in RIGHTS:
        admin.execute(breach.encode())
    found = run(keeper, "rights")
    assert found.state == "broken"
    missing = [said for _probe, _breach, said in RIGHTS if not [one for one in found.broken if said in one]]
    assert (missing, len(RIGHTS) > 5) == ([], True), found.broken


def test_rows_past_their_rule_break_the_promise(keeper: Session) -> None:
    assert run(keeper, "retention").state == "kept"
    found = run(later(keeper, 10), "retention")
    assert found.state == "broken"
    assert "smile, interaction 2026" in found.why


def test_a_password_in_an_old_form_is_found(keeper: Session, admin: Connection) -> None:
    name = f"old_{keeper.actor}"
    admin.execute("SET password_encryption = md5")
    admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    try:
        found = run(keeper, "credentials")
    finally:
        admin.execute(f"DROP ROLE {name}")
    assert found.broken == [f"the password of {name} is not stored as SCRAM"]


@pytest.fixture
def tls(server: TestServer) -> TestServer:
    """The server, unless it was built without TLS."""
    if not server.server.tls:
        pytest.skip("this Postgres was built without TLS")
    return server


PLAINTEXT = "host all all 127.0.0.1/32 scram-sha-256"


def test_a_login_without_tls_is_found(keeper: Session, tls: TestServer) -> None:
    assert run(keeper, "transport").state == "kept"
    with admission(tls, PLAINTEXT):
        assert run(keeper, "transport").broken == ["a login without TLS succeeds"]
    assert run(keeper, "transport").state == "kept"


def test_a_login_without_tls_that_fails_only_at_the_password_is_found(
    keeper: Session, tls: TestServer
) -> None:
    with admission(tls, PLAINTEXT), closing(tls.admin()) as conn:
        conn.execute(f"ALTER ROLE {keeper.actor} PASSWORD 'another'")
        assert run(keeper, "transport").broken == ["a login without TLS is let through to the password"]


def test_a_session_without_tls_is_found(keeper: Session, tls: TestServer, login: Login) -> None:
    with admission(tls, PLAINTEXT):
        dsn = f"{keeper.profile.dsn} sslmode=disable channel_binding=disable"
        passfile = keeper.profile.passfile
        conn = dial(dsn, passfile=passfile, profile="test", command="test")
    with closing(conn):
        pid = conn.info.backend_pid
        assert run(keeper, "transport").broken == [f"the session of process {pid} is not encrypted"]
        assert run(replace(keeper, conn=conn), "transport").state == "broken"


def test_a_certificate_that_ends_is_found(keeper: Session, tls: TestServer) -> None:
    ends = datetime.fromisoformat(run(keeper, "transport").evidence["certificate_ends"])
    for days, state in ((22, "kept"), (20, "broken"), (-1, "broken")):
        at = replace(keeper, clock=FixedClock(ends - timedelta(days=days)))
        assert run(at, "transport").state == state


def test_a_server_without_tls_is_found(keeper: Session, server: TestServer) -> None:
    if server.server.tls:
        pytest.skip("this Postgres was built with TLS")
    assert "the server offers no TLS" in run(keeper, "transport").broken


def test_what_others_do_unseen_is_not_kept(session: Session, login: Login, tls: TestServer) -> None:
    other = login("lua_auditor")
    found = run(session, "transport")
    assert (found.state, other.conn.closed) == ("not observable", False)
    assert "lacks pg_read_all_stats" in found.why


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ("rights", "cannot become lua_admin, lua_operator"),
        ("isolation", "may not create tenants, and there are no two"),
        ("credentials", "pg_authid is the superuser's"),
        ("erasures", "nobody was erased yet"),
        ("undertakings", "is no administrator"),
        ("policies", "no policy is in force"),
        ("contact", "names no contact"),
    ],
)
def test_who_sees_less_hears_so(session: Session, login: Login, probe: str, said: str) -> None:
    practice(session)
    auditor = login("lua_auditor")
    hire(session, "boss", logins=(session.actor, auditor.actor))
    know_everybody(session, "boss")
    found = run(auditor, probe)
    assert found.state == "not observable"
    assert said in found.why


def test_orphans_are_looked_for_by_who_may_not_write(session: Session, login: Login) -> None:
    practice(session)
    found = run(login("lua_auditor"), "orphans")
    assert (found.state, found.attempts) == ("kept", 2)
    assert "may not write such rows" in found.evidence["not_tried"]


def test_an_empty_tenant_keeps_nothing_for_who_may_not_write(session: Session, login: Login) -> None:
    new_tenant(session, "smile")
    assert run(login("lua_auditor"), "orphans").state == "not observable"
    assert run(login("lua_operator"), "orphans").state == "kept"


def test_what_a_probe_leaves_out_is_said(session: Session) -> None:
    practice(session)
    (verdict,) = promise.prove(session, PAGE, PAGE.chosen(["1.6"])).promises
    assert verdict.state == "kept"
    assert verdict.why.endswith(
        "; not looked at: whether work for a tenant without an instruction is refused"
    )


def test_without_tenants_nothing_is_kept(keeper_of_nothing: Session) -> None:
    for probe in ("orphans", "instructions", "erasures", "retention", "contact", "credentials"):
        found = run(keeper_of_nothing, probe)
        assert (found.state, found.unseen[0]) == ("not observable", "there is no tenant yet")
    assert "under a checkpoint" in run(keeper_of_nothing, "ledger").why


@pytest.fixture
def keeper_of_nothing(login: Login, admin: Connection) -> Session:
    """A login that may see everything, in an empty home."""
    made = login(*GROUPS)
    admin.execute(f"GRANT SELECT ON pg_authid TO {made.actor}")
    return made


UNWRITTEN = (
    "crm.app_user", "crm.user_role", "crm.user_session", "crm.user_token",
    "lua.erasure", "lua.erasure_batch", "lua.erasure_plan", "lua.erasure_subject", "lua.hold",
    "lua.processor_notice", "lua.processor_tenant", "lua.purge", "lua.request", "lua.secret",
    "lua.termination", "vault.release", "vault.release_key",
)  # fmt: skip


def test_isolation_is_tried_on_tenants_that_are_there(
    session: Session, login: Login, admin: Connection
) -> None:
    for slug in ("smile", "grin"):
        practice(session, slug)
    operator = login("lua_operator")
    found = run(operator, "isolation")
    assert (found.state, found.evidence["tenants"]) == ("not observable", "existing")
    assert found.unseen == [
        f"{table} has no row of another tenant that could be reached"
        for table in (*UNWRITTEN, "vault.tombstone")
    ]
    admin.execute("ALTER TABLE crm.invoice_line DISABLE ROW LEVEL SECURITY")
    assert run(operator, "isolation").state == "broken"


def test_planting_reaches_every_table(keeper_of_nothing: Session, admin: Connection) -> None:
    """Else a new table would be one in which nothing is tried."""
    found = run(keeper_of_nothing, "isolation")
    assert (found.state, found.unseen) == ("kept", [])
    query = (
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND c.relrowsecurity"
        " AND c.relname NOT IN ('sentinel', 'entry', 'log_line') AND NOT c.relispartition ORDER BY 1"
    )
    assert {row[0] for row in admin.execute(query)} <= set(found.evidence["tables"])


@pytest.mark.parametrize(
    "probe",
    [name for name in probes.PROBES if name not in ("transport", "authentication", "staff", "contact")],
)
def test_a_missing_right_is_not_observable_never_kept(keeper: Session, admin: Connection, probe: str) -> None:
    """The tables that a probe reads are taken away from everybody."""
    admin.execute(
        "REVOKE ALL ON ALL TABLES IN SCHEMA lua, crm, ledger FROM lua_admin, lua_operator, lua_responder"
    )
    admin.execute(
        "REVOKE ALL ON ALL TABLES IN SCHEMA lua, crm, ledger FROM lua_auditor, lua_dpo, lua_accounting"
    )
    admin.execute("REVOKE ALL ON ALL TABLES IN SCHEMA lua, crm, ledger FROM lua_app, lua_ai")
    found = run(keeper, probe)
    assert found.state == ("kept" if probe == "rights" else "not observable"), found


def test_a_probe_that_fails_is_not_observable(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(session: Session, page: promise.Page, look: Look) -> None:
        look.tried()
        raise ValueError("odd")

    monkeypatch.setattr(probes, "load", lambda name: fail)
    found = run(session, "staff")
    assert (found.state, found.why) == ("not observable", "the probe failed: ValueError: odd")


def test_a_lost_connection_is_an_error_and_no_state(session: Session, admin: Connection) -> None:
    admin.execute("SELECT pg_terminate_backend(%s)", (session.conn.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        promise.prove(session, PAGE, PAGE.chosen(["4.1"]))


@pytest.mark.long
def test_a_decision_that_no_role_gives_is_found(keeper: Session, admin: Connection) -> None:
    found = run(keeper, "users")
    assert (found.state, found.evidence["tried_as_users"]) == ("kept", 250)
    admin.execute("UPDATE lua.permission_object SET sensitive = false WHERE object = 'special'")
    assert "a user who is everything may read special" in run(keeper, "users").broken
    signature = "crm.may(p_tenant bigint, p_user uuid, p_action text, p_object text)"
    admin.execute(f"CREATE OR REPLACE FUNCTION {signature} RETURNS boolean LANGUAGE sql AS 'SELECT true'")
    assert "a user who is owner may read special" in run(keeper, "users").broken


def test_a_login_with_its_own_name_as_password_is_found(keeper: Session, admin: Connection) -> None:
    assert run(keeper, "authentication").state == "kept"
    admin.execute(f"ALTER ROLE {keeper.actor} PASSWORD '{keeper.actor}'")
    found = run(keeper, "authentication")
    admin.execute(f"ALTER ROLE {keeper.actor} PASSWORD NULL")
    assert found.broken == [f"{keeper.actor} gets in with its own name as password"]


def test_who_may_not_read_the_rules_hears_so(session: Session) -> None:
    found = run(session, "authentication")
    assert found.state == "not observable"
    assert "may not read pg_hba_file_rules" in found.why
