"""An export holds everything, goes in again without loss, and half of one never does."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import erase, person, practice

from luactl import crm, portable, retention, subject, tenant
from luactl.certificate import canonical
from luactl.certificate import manifest as man
from luactl.db import Session
from luactl.errors import BusyError, LuactlError, RefusedError, UsageError
from luactl.portable import exporting, form, sheet
from luactl.portable.bundle import FaultyError
from luactl.tenant import find
from luactl.verify import verify_folder

DATA = (
    "contacts.jsonl", "interactions.jsonl", "invoices.jsonl", "users.jsonl", "sessions.jsonl",
    "subjects.jsonl",
)  # fmt: skip


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def took(session: Session, folder: Path, slug: str) -> portable.DataImport:
    return portable.import_data(session, portable.read_bundle(folder), slug)


@pytest.fixture
def exported(session: Session, tmp_path: Path) -> Path:
    """An export of a practice in which one person is erased."""
    smile = practice(session)
    erase(session, smile, person(session, smile, "2"), tmp_path)
    retention.set_rule(session, smile, "interaction", 48)
    done = portable.export(session, smile, tmp_path / "out")
    assert done.pending is None
    return tmp_path / "out"


def test_it_holds_what_there_is(exported: Path, session: Session) -> None:
    living, *_ = [one for one in rows(exported, "subjects.jsonl") if one["status"] == "active"]
    assert {one["fields"]["email"] for one in rows(exported, "contacts.jsonl")} == {
        "nele@praxis.example",
        "zoe@studio.example",
    }
    assert {one["fields"]["text"] for one in rows(exported, "interactions.jsonl")} == {
        "check-up",
        "asked for a quiet room",
    }
    bills = {one["number"]: one for one in rows(exported, "invoices.jsonl")}
    assert bills.keys() == {"A-1", "A-2", "A-3", "A-4"}
    assert [line["fields"]["description"] for line in bills["A-4"]["lines"]] == ["cleaning"]
    assert bills["A-4"]["retained_at"] is not None
    assert bills["A-1"]["retained_at"] is None
    assert living["erased_at"] is None
    assert json.loads((exported / "tenant.json").read_text())["name"] == "Practice smile"


def test_nobody_else_can_read_it(exported: Path) -> None:
    assert stat.S_IMODE(exported.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in exported.iterdir()} == {0o600}
    assert [one.name for one in exported.parent.iterdir() if one.name.startswith(".")] == []


def test_its_receipt_verifies_and_a_changed_row_does_not(exported: Path) -> None:
    found = verify_folder(exported)
    assert (found.ok, found.kind) == (True, "export")
    path = exported / "contacts.jsonl"
    path.write_text(path.read_text().replace("nele@", "n3le@"))
    assert [one.file for one in verify_folder(exported).findings] == ["contacts.jsonl"]
    with pytest.raises(FaultyError, match=r"contacts\.jsonl: was changed"):
        portable.read_bundle(exported)


def test_a_file_of_data_may_be_larger_than_a_certificate(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smile = practice(session)
    portable.export(session, smile, tmp_path / "out")
    monkeypatch.setattr(man, "LARGEST_FILE", (tmp_path / "out" / "certificate.json").stat().st_size * 2)
    with (tmp_path / "out" / "tenant.json").open("ab") as file:
        file.write(b" " * man.LARGEST_FILE)
    assert [one.what for one in verify_folder(tmp_path / "out").findings] == [
        "was changed: its SHA-256 is not the manifest's"
    ]


def test_it_goes_in_again_without_loss(exported: Path, session: Session, tmp_path: Path) -> None:
    done = took(session, exported, "twin")
    assert (done.creates_tenant, done.left_out) == (True, 0)
    assert done.written == {name: len(rows(exported, name)) for name in DATA}
    twin = find(session, "twin")
    portable.export(session, twin, tmp_path / "again")
    for name in DATA:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes(), name
    assert {rule.retention_class: rule.months for rule in retention.rules(session, twin)}["interaction"] == 48


def test_people_are_found_in_the_twin(exported: Path, session: Session) -> None:
    took(session, exported, "twin")
    twin = find(session, "twin")
    for kind, value in (("email", "nele@praxis.example"), ("external_id", "1"), ("name", "angstrom")):
        found = subject.find(session, twin, kind, value, purpose="test")  # type: ignore[arg-type]
        assert [one.email for one in found] == ["nele@praxis.example"], kind
    report = crm.import_customers(
        session, twin, exported_table("CustomerId,Email\n1,nele@praxis.example\n"), crm.Options()
    )
    assert (report.imported, report.already_there) == (0, 1)


def exported_table(text: str) -> Any:
    from io import BytesIO

    return BytesIO(text.encode())


def test_in_the_twin_rows_are_sealed_anew(
    exported: Path, session: Session, admin: psycopg.Connection
) -> None:
    took(session, exported, "twin")
    same = admin.execute(
        "SELECT count(*) FROM crm.contact a JOIN crm.contact b USING (contact_id)"
        " WHERE a.tenant_id < b.tenant_id AND a.personal <> b.personal"
    ).fetchone()
    assert same == (2,)
    clear = admin.execute(
        "SELECT count(*) FROM crm.contact WHERE position('nele'::bytea IN personal) > 0"
    ).fetchone()
    assert clear == (0,)


def test_twice_is_once(exported: Path, session: Session) -> None:
    took(session, exported, "twin")
    again = took(session, exported, "twin")
    assert set(again.written.values()) == {0}
    assert again.creates_tenant is False


@pytest.mark.parametrize("table", ["contact", "interaction", "invoice"])
def test_what_was_cut_short_is_finished(
    exported: Path, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    from luactl.portable import importing

    def broken(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(importing, f"_{table}s", broken)
        with pytest.raises(KeyboardInterrupt):
            took(session, exported, "twin")
    took(session, exported, "twin")
    portable.export(session, find(session, "twin"), tmp_path / "again")
    for name in DATA:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes(), name


def test_who_was_erased_since_does_not_come_back(session: Session, tmp_path: Path) -> None:
    smile = practice(session)
    portable.export(session, smile, tmp_path / "before")
    who = person(session, smile, "1")
    erase(session, smile, who, tmp_path)
    done = took(session, tmp_path / "before", "smile")
    assert (done.written["contacts.jsonl"], done.left_out) == (0, 1 + 2 + 2)
    assert [one.external_id for one in crm.list_customers(session, smile, 0).rows] == ["2", "3"]


def test_data_of_two_tenants_never_mix(exported: Path, session: Session) -> None:
    practice(session, "other")
    with pytest.raises(RefusedError, match="who are not in the export"):
        took(session, exported, "other")


def test_a_plan_changes_nothing(
    session: Session, exported: Path, admin: psycopg.Connection, tmp_path: Path
) -> None:
    smile = find(session, "smile")
    before = admin.execute("SELECT count(*) FROM ledger.entry").fetchone()
    plan = portable.export(session, smile, tmp_path / "plan", dry_run=True)
    assert {one.name: one.rows for one in plan.files} == {
        **{name: len(rows(exported, name)) for name in DATA},
        "tenant.json": 1,
    }
    taking = portable.import_data(session, portable.read_bundle(exported), "twin", dry_run=True)
    assert taking.settings == ("interaction is kept for 48 months, not 36",)
    assert not (tmp_path / "plan").exists()
    assert admin.execute("SELECT count(*) FROM ledger.entry").fetchone() == before
    assert [one.slug for one in tenant.list_(session)] == ["smile"]


def test_every_reading_is_on_record(session: Session, tmp_path: Path, admin: psycopg.Connection) -> None:
    smile = practice(session)
    portable.export(session, smile, tmp_path / "out", "return at the end of the contract")
    found = admin.execute(
        "SELECT object, (convert_from(body, 'UTF8')::jsonb -> 'detail' ->> 'count')::int FROM ledger.entry"
        " WHERE action = 'read' AND convert_from(body, 'UTF8')::jsonb ->> 'purpose' LIKE 'return at%'"
        " ORDER BY 1"
    ).fetchall()
    assert found == [
        ("table:crm.contact", 3),
        ("table:crm.interaction", 4),
        ("table:crm.invoice", 4),
        ("table:crm.invoice_line", 4),
    ]


def test_an_erasure_meanwhile_hands_over_nothing(
    session: Session, login: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smile = practice(session)
    other = login("lua_operator", "lua_admin", "lua_dpo", "lua_accounting", "lua_auditor")
    who = person(session, smile, "3")
    after_contacts = exporting.pages.interactions

    def erases(*given: Any) -> Any:
        erase(other, smile, who, tmp_path)
        return after_contacts(*given)

    monkeypatch.setattr(exporting.pages, "interactions", erases)
    with pytest.raises(BusyError, match="somebody was erased"):
        portable.export(session, smile, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".out")] == []


@pytest.mark.parametrize("roles", [("lua_operator",), ("lua_accounting",), ("lua_auditor", "lua_dpo")])
def test_half_of_the_rights_is_no_return(
    session: Session, login: Callable[..., Session], tmp_path: Path, roles: tuple[str, ...]
) -> None:
    smile = practice(session)
    with pytest.raises(RefusedError, match="may not read"):
        portable.export(login(*roles), smile, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_operator_and_bookkeeping_together_suffice(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    both = login("lua_operator", "lua_accounting")
    assert portable.export(both, practice(session), tmp_path / "out").files[0].rows == 3


def test_a_full_disk_leaves_nothing(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, os.strerror(28))

    smile = practice(session)
    monkeypatch.setattr(sheet.os, "fsync", full)
    with pytest.raises(LuactlError, match="No space left"):
        portable.export(session, smile, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir() if "out" in one.name] == []


def test_what_a_killed_run_left_goes_when_it_is_run_again(session: Session, tmp_path: Path) -> None:
    """Also where that run had come to its end, so that this one is refused."""
    smile = practice(session)
    portable.export(session, smile, tmp_path / "out")
    (tmp_path / ".out.4194305.data").mkdir()  # of a process whose number no system gives
    with pytest.raises(RefusedError, match="holds"):
        portable.export(session, smile, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir() if "out" in one.name] == ["out"]


def rewrite(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file and the manifest with it, as somebody would who forges an export."""
    from hashlib import sha256

    path = folder / name
    path.write_text(change(path.read_text()))
    found = json.loads((folder / "manifest.json").read_text())
    found["files"][name] = sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_bytes(canonical(found))


SESSION = (
    '{{"ended_at":"2026-11-20T09:00:00.000000Z","network":null,"seen_at":"2026-11-20T09:00:00.000000Z",'
    '"session_id":"{0}-0000-7000-8000-000000000001","since":"2026-11-20T09:00:00.000000Z",'
    '"subject_id":"{0}-0000-7000-8000-000000000001"}}\n'
)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("contacts.jsonl", lambda text: text[:-1], "is cut short or too long"),
        ("contacts.jsonl", lambda text: text + text, "contact_id stands on an earlier line already"),
        (
            "contacts.jsonl",
            lambda text: text.replace('"subject_id"', '"sub"'),
            "it has a field that no export|subj",
        ),
        ("contacts.jsonl", lambda text: "not json\n" + text, "is no JSON in UTF-8"),
        ("subjects.jsonl", lambda text: text.split("\n", 1)[1], "subject_id names nobody"),
        (
            "subjects.jsonl",
            lambda text: text.replace('"erased"', '"active"'),
            "status and erased_at disagree",
        ),
        ("invoices.jsonl", lambda text: text.replace('"A-2"', '"A-1"'), "number stands on an earlier line"),
        ("invoices.jsonl", lambda text: text.replace('"40.00"', '"a lot"'), "total is no decimal"),
        ("interactions.jsonl", lambda text: text.replace('"visit"', '"spy"'), "kind is none of"),
        ("sessions.jsonl", lambda _text: SESSION.format("9" * 8), "subject_id names nobody"),
        ("tenant.json", lambda text: text.replace("portable/1", "portable/9"), "format"),
    ],
)
def test_a_forged_line_lets_nothing_in(
    exported: Path, name: str, change: Callable[[str], str], said: str
) -> None:
    rewrite(exported, name, change)
    with pytest.raises(LuactlError, match=said):
        portable.read_bundle(exported)


def test_what_is_no_export_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no manifest"):
        portable.read_bundle(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner)
    ),
    max_leaves=5,
)


@given(
    fields=st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), VALUES, max_size=6),
    # Offsets of every zone; a zone itself makes times that equal none of another zone (PEP 495).
    occurred=st.datetimes(timezones=st.timezones()).map(
        lambda at: at.replace(tzinfo=timezone(at.utcoffset() or timedelta()))
    ),
    ids=st.tuples(st.uuids(), st.uuids()),
    kind=st.sampled_from(sorted(form.KINDS)),
)
def test_whatever_is_written_is_read_back(fields: Any, occurred: Any, ids: Any, kind: str) -> None:
    row = {
        "interaction_id": ids[0],
        "subject_id": ids[1],
        "kind": kind,
        "occurred_at": occurred,
        "created_at": occurred,
        "fields": fields,
    }
    assert form.parse(form.INTERACTION, sheet._write(row).encode()) == row


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_no_line_does_more_than_be_refused(line: bytes) -> None:
    for shape in form.FORMS.values():
        with pytest.raises(ValueError):
            form.parse(shape, line)


def test_by_the_commands(session: Session, cli: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    practice(session)
    folder = str(tmp_path / "out")
    assert cli("tenant", "export", "smile", folder).returncode == 2
    done = cli("tenant", "export", "smile", folder, "--yes", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["files"][0]["rows"] == 3
    assert cli("verify", folder).returncode == 0
    assert cli("tenant", "export", "smile", folder, "--yes").returncode == 5
    taken = cli("tenant", "import-data", folder, "--as", "twin", "--yes", "-o", "json")
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["data"]["written"]["invoices.jsonl"] == 4
    assert "nele@" not in done.stdout + done.stderr + taken.stdout + taken.stderr


def test_users_come_along_with_roles_and_past_sessions(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    from luactl.access import user
    from luactl.client import Client

    smile, crm_ = practice(session), Client(login("lua_app"))
    who = {"purpose": "rota", "on_behalf": "user:1"}
    nele = crm_.add_user(smile.tenant_id, {"login": "nele", "name": "Nele Berg"}, ["owner", "agent"], **who)
    bruno = crm_.add_user(smile.tenant_id, {"login": "bruno", "email": "b@praxis.example"}, [], **who)
    token = crm_.start_session(smile.tenant_id, nele.user_id, "203.0.113.77")
    crm_.end_session(smile.tenant_id, crm_.start_session(smile.tenant_id, nele.user_id))
    crm_.change_user(smile.tenant_id, nele.user_id, mfa="totp", **who)
    crm_.change_user(smile.tenant_id, bruno.user_id, state="ended", **who)
    portable.export(session, smile, tmp_path / "one")
    assert {one["fields"]["login"] for one in rows(tmp_path / "one", "users.jsonl")} == {"nele", "bruno"}
    done = took(session, tmp_path / "one", "twin")
    assert (done.written["users.jsonl"], done.written["sessions.jsonl"]) == (2, 2)
    twin = find(session, "twin")
    portable.export(session, twin, tmp_path / "two")
    for name in ("users.jsonl", "sessions.jsonl"):
        assert rows(tmp_path / "two", name) == rows(tmp_path / "one", name)
    sessions = rows(tmp_path / "one", "sessions.jsonl")
    assert {one["network"] for one in sessions} == {"203.0.113.0/24", None}
    assert {one["subject_id"] for one in sessions} == {str(nele.subject_id)}
    rewrite(tmp_path / "two", "users.jsonl", lambda text: "".join(text.splitlines(keepends=True)[1:]))
    with pytest.raises(LuactlError, match="its person is no user"):
        portable.read_bundle(tmp_path / "two")
    again = took(session, tmp_path / "one", "twin").written
    assert (again["users.jsonl"], again["sessions.jsonl"]) == (0, 0)
    assert crm_.user_of(twin.tenant_id, "NELE") == nele.user_id
    assert (crm_.seen(twin.tenant_id, token), crm_.seen(smile.tenant_id, token)) == (None, nele.user_id)
    (found,) = user.list_(session, twin)
    assert (found.roles, found.mfa, found.sessions) == (("agent", "owner"), "totp", 0)
