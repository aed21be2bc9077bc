"""Reviews of access: what is frozen, who may decide, and what the catalog says after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from conftest import Connection
from support_review import House, build, take_down

from luactl.access import review
from luactl.access.review.record import snapshot_of
from luactl.db import Session
from luactl.errors import RefusedError, UsageError


@pytest.fixture
def house(admin: Connection, login: Callable[..., Session]) -> Iterator[House]:
    made = build(admin, login)
    yield made
    take_down(made)


def members(house: House) -> list[str]:
    """Return who is in the crew, by the catalog."""
    found = house.admin.execute(
        "SELECT l.rolname FROM pg_auth_members m JOIN pg_roles l ON l.oid = m.member"
        " WHERE m.roleid = %s::regrole AND l.rolname <> 'lua_rolekeeper' ORDER BY 1",
        (house.crew,),
    )
    return sorted({name.partition("_")[0] for (name,) in found})


def logs_in(house: House, handle: str) -> bool:
    row = house.admin.execute(
        "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (f"{handle}_{house.tag}",)
    ).fetchone()
    return bool(row and row[0])


def test_a_review_runs_from_the_snapshot_to_the_catalog(house: House) -> None:
    opened = house.open()
    mara, dora = house.sessions["mara"], house.sessions["dora"]
    assert [(one.reviewer, one.assigned_as, one.items) for one in opened.shares] == [("mara", "manager", 3)]
    mine = review.show_mine(mara, opened.review_id)
    assert [one.login.partition("_")[0] for one in mine] == ["anna", "bert", "cleo"]
    assert mine[0].path == f"anna_{house.tag} > {house.crew}"
    assert mine[0].leads_to == (f"anna_{house.tag} > {house.crew} > lua_operator",)
    assert {"contact", "interaction", "secret"} <= set(mine[0].categories)
    assert mine[0].cut[0].startswith(f'REVOKE "{house.crew}" FROM "anna_{house.tag}"')
    review.decide(mara, opened.review_id, [1], "keep")
    done = review.decide(mara, opened.review_id, [2, 3], "revoke", "left the crew")
    assert done.left == 0
    closed = review.close(dora, opened.review_id, dry_run=True)
    assert members(house) == ["anna", "bert", "cleo"]
    assert review.close(dora, opened.review_id).steps == closed.steps
    assert [(one.wanted, one.outcome) for one in closed.steps] == [
        ("keep", "kept"), ("revoke", "done"), ("revoke", "done")
    ]  # fmt: skip
    assert closed.since == closed.still == ()
    assert members(house) == ["anna"]
    assert review.find(dora, opened.review_id).state == "closed"


def test_the_snapshot_is_whole_and_hashed(house: House) -> None:
    opened = house.open()
    said, data = snapshot_of(house.sessions["mara"], opened.review_id)
    logins = {name for (name,) in house.admin.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin")}
    assert {one["login"] for one in said["population"]} == logins
    assert opened.population == len(logins)
    assert set(opened.left_out) == logins - {f"{who}_{house.tag}" for who in ("anna", "bert", "cleo")}
    assert (
        sha256(data).hexdigest()
        == opened.digest
        == review.find(house.sessions["dora"], opened.review_id).digest
    )
    system = house.admin.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert (said["server"],) == system
    assert "pg_auth_members" in said["queries"]["text"]["memberships"]
    by_login = {one["login"]: one["person"] for one in said["population"]}
    assert by_login[f"anna_{house.tag}"] == str(house.people["anna"])
    with pytest.raises(psycopg.errors.CheckViolation):
        house.admin.execute("UPDATE lua.review SET snapshot = snapshot || '\\x20'")


def test_nothing_is_no_review(house: House) -> None:
    house.run("CREATE ROLE {} NOLOGIN", f"void_{house.tag}")
    with pytest.raises(RefusedError, match="nothing is in the scope"):
        review.open_(house.sessions["dora"], review.Ask("x", (f"void_{house.tag}",)))
    with pytest.raises(UsageError, match="no role"):
        review.open_(house.sessions["dora"], review.Ask("x", ("nobody knows",)))


def test_the_database_wants_all_logins_in_the_snapshot(house: House) -> None:
    opened = house.open()
    said, _data = snapshot_of(house.sessions["dora"], opened.review_id)
    said["population"].pop()
    with pytest.raises(psycopg.errors.SerializationFailure):
        house.sessions["dora"].conn.execute(
            "SELECT lua.open_review(gen_random_uuid(), %s, 'x', NULL, convert_to(%s, 'UTF8'),"
            " now() + interval '1 day', 1::smallint, now(), gen_random_uuid())",
            (opened.review_id, json.dumps(said)),
        )


@pytest.mark.parametrize("way", ["own", "admin option", "administrator", "superuser"])
def test_nobody_reviews_what_is_theirs_or_what_they_give(house: House, way: str) -> None:
    """Mara, the manager, is passed over; and were she named all the same, the database would refuse it."""
    mara = f"mara_{house.tag}"
    if way == "own":
        house.admin.execute(
            "UPDATE lua.person SET manager = %s WHERE handle = 'mara'", (house.people["dora"],)
        )
        house.grant(house.crew, "mara")
    elif way == "admin option":
        house.run("GRANT {} TO {} WITH ADMIN OPTION", house.crew, mara)
        house.run("REVOKE {} FROM {}", house.crew, f"cleo_{house.tag}")
    elif way == "administrator":
        house.run("GRANT lua_admin TO {}", mara)
        house.run("REVOKE {} FROM {}", house.crew, f"cleo_{house.tag}")
        house.grant("lua_operator", "cleo")
    else:
        house.run("ALTER ROLE {} SUPERUSER", mara)
    role = "lua_operator" if way == "administrator" else house.crew
    dora = house.sessions["dora"]
    if way == "administrator":
        conflict = dora.conn.execute(
            "SELECT lua.review_conflict(%s, %s, %s, 'membership', 'role', 0, 'lua_operator')",
            (house.people["mara"], house.people["cleo"], f"cleo_{house.tag}"),
        ).fetchone()
        assert conflict == ("an administrator, who gives this role",)
        return
    opened = review.open_(dora, review.Ask("x", (role,)))
    who = {(one.login.partition("_")[0]): one.reviewer for one in review.items(dora, opened.review_id)}
    if way == "own":
        assert who == {"anna": "mara", "bert": "mara", "cleo": "mara", "mara": "dora"}
    else:
        assert set(who.values()) == {"dora"}
    if way == "own":
        said, _data = snapshot_of(dora, opened.review_id)
        said["items"][3]["reviewer"] = str(house.people["mara"])
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InsufficientPrivilege)):
            dora.conn.execute(
                "SELECT lua.open_review(gen_random_uuid(), %s, 'x', NULL, convert_to(%s, 'UTF8'),"
                " now() + interval '1 day', 1::smallint, now(), gen_random_uuid())",
                (opened.review_id, json.dumps(said)),
            )


def test_only_the_reviewer_decides_and_only_what_was_shown(house: House) -> None:
    opened = house.open()
    mara, dora = house.sessions["mara"], house.sessions["dora"]
    with pytest.raises(RefusedError, match="never shown"):
        review.decide(mara, opened.review_id, [1], "keep")
    for other in ("dora", "anna"):
        with pytest.raises(RefusedError, match="not for"):
            review.decide(house.sessions[other], opened.review_id, [1], "keep")
    assert review.show_mine(house.sessions["anna"], opened.review_id) == ()
    review.show_mine(mara, opened.review_id)
    with pytest.raises(UsageError, match="no such item"):
        review.decide(mara, opened.review_id, [1, 9], "keep")
    with pytest.raises(UsageError, match="needs a reason"):
        review.decide(mara, opened.review_id, [1], "revoke")
    review.decide(mara, opened.review_id, [1], "keep", dry_run=True)
    assert review.find(dora, opened.review_id).decided == 0


def test_who_became_the_judge_of_themselves_meanwhile_is_refused(house: House) -> None:
    opened = house.open()
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    house.run("GRANT {} TO {} WITH ADMIN OPTION", house.crew, f"mara_{house.tag}")
    with pytest.raises(RefusedError, match="ADMIN OPTION"):
        review.decide(mara, opened.review_id, [1], "keep")


def test_a_change_of_mind_counts_until_the_close(house: House) -> None:
    opened = house.open()
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1, 2, 3], "revoke", "all of them")
    review.decide(mara, opened.review_id, [1, 3], "keep")
    closed = review.close(house.sessions["dora"], opened.review_id)
    assert [one.wanted for one in closed.steps] == ["keep", "revoke", "keep"]
    assert members(house) == ["anna", "cleo"]
    with pytest.raises(RefusedError, match="closed"):
        review.decide(mara, opened.review_id, [1], "revoke", "too late")


def test_delegated_access_is_decided_by_whom_it_was_handed_to(house: House) -> None:
    opened = house.open()
    mara, dora = house.sessions["mara"], house.sessions["dora"]
    review.show_mine(mara, opened.review_id)
    with pytest.raises(RefusedError, match="their own access"):
        review.decide(mara, opened.review_id, [1], "delegate", "you know her", "anna")
    review.decide(mara, opened.review_id, [1], "delegate", "you know her", "dora")
    with pytest.raises(RefusedError, match="not for"):
        review.decide(mara, opened.review_id, [1], "keep")
    assert [one.item_no for one in review.show_mine(dora, opened.review_id)] == [1]
    review.decide(dora, opened.review_id, [1], "revoke", "nobody needs it")
    assert review.items(dora, opened.review_id)[0].assigned_as == "delegated"


def test_what_a_superuser_granted_is_not_done_until_the_catalog_says_so(house: House) -> None:
    house.run("REVOKE {} FROM {}", house.crew, f"bert_{house.tag}")
    house.run("GRANT {} TO {}", house.crew, f"bert_{house.tag}")  # by postgres
    opened = house.open()
    mara, dora = house.sessions["mara"], house.sessions["dora"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1, 3], "keep")
    review.decide(mara, opened.review_id, [2], "revoke", "left")
    failed = review.close(dora, opened.review_id).steps[1]
    if house.admin.info.server_version < 160000:  # there CREATEROLE takes whatever anybody granted
        assert failed.outcome == "done"
        return
    assert (failed.outcome, members(house)) == ("failed", ["anna", "bert", "cleo"])
    assert failed.statement is not None
    house.admin.execute(failed.statement)  # as a superuser would
    again = review.close(dora, opened.review_id)
    assert [one.outcome for one in again.steps] == ["kept", "done", "kept"]
    assert members(house) == ["anna", "cleo"]


def test_a_grant_on_our_own_table_is_taken_and_read_back(house: House) -> None:
    cleo = f"cleo_{house.tag}"
    house.run("SET ROLE lua_owner; GRANT SELECT, UPDATE (name) ON lua.tenant TO {}; RESET ROLE", cleo)
    house.run(
        "SET ROLE lua_owner; GRANT EXECUTE ON FUNCTION lua.make_tenant_partitions TO {}; RESET ROLE", cleo
    )
    dora, mara = house.sessions["dora"], house.sessions["mara"]
    opened = review.open_(dora, review.Ask("all", owners=("mara",)))
    mine = [
        one for one in review.show_mine(mara, opened.review_id) if one.login == cleo and one.kind == "grant"
    ]
    assert {one.object: one.rights for one in mine} == {
        "lua.tenant": ("SELECT", "UPDATE (name)"),
        "lua.make_tenant_partitions(p_dedicated bigint)": ("EXECUTE",)
    }  # fmt: skip
    table = next(one for one in mine if one.object == "lua.tenant")
    review.decide(mara, opened.review_id, [table.item_no], "reduce", "reads only", "SELECT")
    function = next(one for one in mine if one.kind == "grant" and one.rights == ("EXECUTE",))
    review.decide(mara, opened.review_id, [function.item_no], "revoke", "no need")
    with dora.conn.transaction(force_rollback=True):
        for one in (table, function):
            dora.conn.execute("SELECT lua.cut_review(%s, %s, now())", (opened.review_id, one.item_no))
            came = dora.conn.execute(
                "SELECT lua.settle_review(%s, %s, 'x', 'y', now())", (opened.review_id, one.item_no)
            ).fetchone()
            assert came == ("done",)
        left = dora.conn.execute(
            "SELECT has_table_privilege(%(who)s, 'lua.tenant', 'SELECT'),"
            " NOT has_column_privilege(%(who)s, 'lua.tenant', 'name', 'UPDATE')",
            {"who": cleo},
        ).fetchone()
        assert left == (True, True)


def test_admin_option_alone_is_taken(house: House) -> None:
    house.admin.execute("SET ROLE lua_rolekeeper")
    house.run("GRANT {} TO {} WITH ADMIN OPTION", house.crew, f"anna_{house.tag}")
    house.admin.execute("RESET ROLE")
    opened = house.open()
    mara = house.sessions["mara"]
    first = review.show_mine(mara, opened.review_id)[0]
    assert (first.rights, first.suggestion) == (("ADMIN OPTION", "member"), "reduce")
    review.decide(mara, opened.review_id, [2, 3], "keep")
    review.decide(mara, opened.review_id, [1], "reduce", "gives it to nobody", "no-admin")
    assert review.close(house.sessions["dora"], opened.review_id).steps[0].outcome == "done"
    assert members(house) == ["anna", "bert", "cleo"]
    row = house.admin.execute(
        "SELECT bool_or(m.admin_option) FROM pg_auth_members m"
        " WHERE m.member = %s::regrole AND m.roleid = %s::regrole",
        (f"anna_{house.tag}", house.crew),
    ).fetchone()
    assert row == (False,)


def test_a_role_is_reduced_to_a_smaller_one_for_who_is_bound(house: House) -> None:
    opened = house.open()
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    house.admin.execute("DELETE FROM lua.undertaking WHERE person_id = %s", (house.people["bert"],))
    review.decide(mara, opened.review_id, [3], "keep")
    with pytest.raises(UsageError, match="cannot be reduced"):
        review.decide(mara, opened.review_id, [1], "reduce", "more!", "lua_admin")
    review.decide(mara, opened.review_id, [1, 2], "reduce", "looks only", "lua_responder")
    steps = review.close(house.sessions["dora"], opened.review_id).steps
    assert [one.outcome for one in steps] == ["done", "done", "kept"]
    assert members(house) == ["cleo"]
    given = house.admin.execute(
        "SELECT pg_has_role(%s, 'lua_responder', 'USAGE'), pg_has_role(%s, 'lua_responder', 'MEMBER')",
        (f"anna_{house.tag}", f"bert_{house.tag}"),
    )
    assert given.fetchone() == (True, False)


def test_nobody_answers_so_the_login_is_suspended_and_later_revoked(house: House, tmp_path: Path) -> None:
    opened = house.open(grace_days=7)
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [3], "keep")
    with pytest.raises(RefusedError, match="has time until"):
        review.close(house.sessions["dora"], opened.review_id, tmp_path / "early")
    late = house.later("dora", 15)
    with pytest.raises(UsageError, match="name a file"):
        review.close(late, opened.review_id)
    file = tmp_path / "undo.json"
    closed = review.close(late, opened.review_id, file)
    assert [one.outcome for one in closed.steps] == ["suspended", "suspended", "kept"]
    assert [logs_in(house, who) for who in ("anna", "bert", "cleo")] == [False, False, True]
    assert file.stat().st_mode & 0o777 == 0o600
    said = json.loads(file.read_text())
    said["logins"].remove(f"bert_{house.tag}")
    one = tmp_path / "one.json"
    one.write_text(json.dumps(said))
    assert review.undo(late, one, "was on leave", dry_run=True)[0].outcome == "lifted"
    assert not logs_in(house, "anna")
    assert [lifted.login for lifted in review.undo(late, one, "was on leave")] == [f"anna_{house.tag}"]
    assert logs_in(house, "anna")
    assert review.undo(late, one, "twice")[0].items == 0
    said["logins"] = [f"cleo_{house.tag}"]
    one.write_text(json.dumps(said))
    assert review.undo(late, one, "never was")[0].problem == "this review has not suspended it"
    assert [one.outcome for one in review.close(house.later("dora", 16), opened.review_id).steps] == [
        "undone", "suspended", "kept"
    ]  # fmt: skip
    after = review.close(house.later("dora", 23), opened.review_id)
    assert [one.outcome for one in after.steps] == ["undone", "done", "kept"]
    assert members(house) == ["anna", "cleo"]


def test_who_has_left_or_is_not_bound_is_not_let_in_again(house: House, tmp_path: Path) -> None:
    opened = house.open()
    late, file = house.later("dora", 15), tmp_path / "undo.json"
    review.close(late, opened.review_id, file)
    house.admin.execute("UPDATE lua.person SET ended_at = now() WHERE handle = 'anna'")
    house.admin.execute("DELETE FROM lua.undertaking WHERE person_id = %s", (house.people["bert"],))
    lifted = {one.login.partition("_")[0]: one.outcome for one in review.undo(late, file, "all back")}
    assert lifted == {"anna": "not lifted", "bert": "not lifted", "cleo": "lifted"}
    assert [logs_in(house, who) for who in ("anna", "bert")] == [False, False]


def test_what_was_granted_since_is_listed_and_what_is_reached_otherwise(house: House) -> None:
    opened = house.open()
    mara, dora = house.sessions["mara"], house.sessions["dora"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1], "revoke", "left")
    review.decide(mara, opened.review_id, [2, 3], "keep")
    house.grant(house.crew, "mara")
    other = f"other_{house.tag}"
    house.run("CREATE ROLE {} NOLOGIN", other)
    house.run("GRANT {} TO {}", house.crew, other)
    house.run("GRANT {} TO {}", other, f"anna_{house.tag}")
    closed = review.close(dora, opened.review_id)
    assert [(one.login.partition("_")[0], one.object) for one in closed.since] == [
        ("anna", other), ("mara", house.crew)
    ]  # fmt: skip
    assert [one.path for one in closed.still] == [f"anna_{house.tag} > {other} > {house.crew}"]


def test_the_last_administrator_stays(house: House, tmp_path: Path) -> None:
    """Nothing of a close that would leave nobody in lua_admin happens."""
    house.admin.execute(
        "DO $$ DECLARE one record; BEGIN FOR one IN SELECT r.rolname FROM pg_roles r"
        " WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, 'lua_admin', 'MEMBER')"
        " LOOP EXECUTE format('ALTER ROLE %I NOLOGIN', one.rolname); END LOOP; END $$"
    )
    opened = house.open()
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1, 2, 3], "revoke", "all")
    with pytest.raises(RefusedError, match="no administrator"):
        review.close(house.sessions["dora"], opened.review_id)
    assert members(house) == ["anna", "bert", "cleo"]
    assert review.find(house.sessions["dora"], opened.review_id).state == "open"


def test_nobody_closes_a_review_that_takes_their_right_to(house: House) -> None:
    house.hire("nele", "lua_accounting", manager="mara")
    house.keep("nele")
    house.run("GRANT lua_dpo TO {}", house.crew)
    house.grant(house.crew, "nele")
    opened = house.open()
    mara, nele = house.sessions["mara"], house.sessions["nele"]
    numbers = [one.item_no for one in review.show_mine(mara, opened.review_id)]
    review.decide(mara, opened.review_id, numbers, "revoke", "all")
    with pytest.raises(RefusedError, match=f"it takes from nele_{house.tag} what closing it needs"):
        review.close(nele, opened.review_id)
    assert members(house) == ["anna", "bert", "cleo", "nele"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        review.close(mara, opened.review_id)
    review.close(house.sessions["dora"], opened.review_id)
    assert members(house) == []


def test_only_the_office_opens_and_closes(house: House) -> None:
    opened = house.open()
    for statement in (
        "SELECT lua.close_review(%s, '\\x00', now(), gen_random_uuid())",
        "SELECT lua.carry_out_review(%s, 1, now(), gen_random_uuid())",
        "SELECT lua.escalate_review(%s, now())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            house.sessions["mara"].conn.execute(statement, (opened.review_id,))
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        house.sessions["dora"].conn.execute(
            "SELECT lua.carry_out_review(%s, 1, now(), gen_random_uuid())", (opened.review_id,)
        )


def test_the_chain_of_decisions_is_in_the_database(house: House) -> None:
    opened = house.open()
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1], "revoke", 'said "no", ä\\')
    review.decide(mara, opened.review_id, [2, 3], "keep")
    head = bytes.fromhex(opened.digest)
    rows = house.admin.execute(
        "SELECT body, hash, milliseconds, batch FROM lua.review_decision ORDER BY decision_no"
    ).fetchall()
    import rfc8785

    for body, digest, spent, batch in rows:
        head = sha256(head + body).digest()
        assert (head, rfc8785.dumps(json.loads(body))) == (digest, body)
        assert (json.loads(body)["ms"], json.loads(body)["batch"]) == (spent, batch)
    assert [batch for *_rest, batch in rows] == [1, 2, 2]
    assert (head,) == house.admin.execute("SELECT head FROM lua.review").fetchone()
