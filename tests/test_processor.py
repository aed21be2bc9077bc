"""Processors: the register, what they are told when data go, and what they confirm."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID

import psycopg
import pytest
from conftest import Home
from support_erasure import erase, person, practice, table
from support_staff import vouch
from test_termination import after, announced, ended

from luactl import approval, crm, doctor, processor, program, termination
from luactl.db import Session, transaction
from luactl.erasure import unfinished
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.ledger import new_id
from luactl.processor import Notice, Processor
from luactl.processor.sending import programs
from luactl.tenant import NewTenant, admit, create, find, show
from luactl.verify import verify_folder

Cli = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def by_oneself(session: Session) -> None:
    """Approval is tried in tests/test_approval_plug.py."""
    approval.set_rule(session, "tenant.terminate", approvals=0)


def somebody(session: Session, slug: str = "post", **said: Any) -> Processor:
    """Return a processor that nobody has registered yet."""
    now = session.clock.now()
    new = Processor(
        slug, slug.title(), "communication", "DE", f"dpo@{slug}.example", "manual", now.date(), None, None, 0,
        new_id(now),
    )  # fmt: skip
    return replace(new, **said)


def told(session: Session) -> list[tuple[str, str, str]]:
    return sorted((one.processor, one.tenant, one.state) for one in processor.notices(session, every=True))


def actions(admin: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    found = admin.execute(
        "SELECT action, outcome FROM ledger.entry WHERE action LIKE 'processor.%' ORDER BY at, id"
    )
    return [(str(action), str(outcome)) for action, outcome in found.fetchall()]


def test_the_register_says_who_works_for_whom(session: Session, admin: psycopg.Connection) -> None:
    practice(session)
    assert processor.add(session, somebody(session), dry_run=True).changed
    assert processor.list_(session) == []
    processor.add(session, somebody(session))
    pay = somebody(session, "pay", service="payment", country="NL", tenants=("smile",))
    processor.add(session, pay)
    assert [(one.slug, one.tenants) for one in processor.list_(session)] == [
        ("pay", ("smile",)),
        ("post", None),
    ]
    with pytest.raises(LuactlError, match="already"):
        processor.add(session, somebody(session))
    before = processor.find(session, "pay")
    assert not processor.change(session, before, before).changed
    assert processor.change(session, before, replace(before, tenants=None, contact="x")).changed
    assert processor.find(session, "pay").tenants is None
    processor.end(session, processor.find(session, "pay"), date(2100, 1, 1))
    assert processor.find(session, "pay").used_until == date(2100, 1, 1)
    assert [one for one, _ in actions(admin)] == [
        "processor.add", "processor.add", "processor.change", "processor.end",
    ]  # fmt: skip
    with pytest.raises(NotFoundError, match="no processor"):
        processor.find(session, "pst")


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "No Slug"}, {"service": "magic"}, {"country": "Germany"}, {"name": " "}, {"contact": "a\nb"},
        {"channel": "command:/bin/rm"}, {"channel": "command:../x"}, {"channel": "mail"},
        {"used_until": date(2000, 1, 1)},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_registered(session: Session, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        processor.add(session, somebody(session, **wrong))
    with pytest.raises(NotFoundError):
        processor.add(session, somebody(session, tenants=("nobody",)))
    assert processor.list_(session) == []


def test_the_database_holds_what_a_register_must(session: Session) -> None:
    def put(tenants: list[str] | None, channel: str = "manual", slug: str = "x") -> None:
        session.conn.execute(
            "SELECT lua.put_processor(%s, %s, 'X', 'cloud', 'DE', 'x', %s, 'today', NULL, %s, now(), %s)",
            [UUID(int=1), slug, channel, tenants, UUID(int=2)],
        )

    for tenants, channel in ((["nobody"], "manual"), ([], "manual"), (None, "command:/bin/sh")):
        with pytest.raises(psycopg.errors.CheckViolation):
            put(tenants, channel)
    put(None)
    with pytest.raises(psycopg.errors.CheckViolation, match="under one name"):
        put(None, slug="y")


def test_whoever_works_for_a_tenant_is_told_of_an_erasure(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    smile = practice(session)
    practice(session, "other")
    today = session.clock.now().date()
    for new in (
        somebody(session, "all"),
        somebody(session, "ours", tenants=("smile",)),
        somebody(session, "theirs", tenants=("other",)),
        somebody(session, "past", used_since=today - timedelta(9), used_until=today - timedelta(1)),
        somebody(session, "coming", used_since=today + timedelta(1)),
    ):
        processor.add(session, new)
    who = person(session, smile)
    done = erase(session, smile, who, tmp_path)
    assert told(session) == [("all", "smile", "open"), ("ours", "smile", "open")]
    assert done.unconfirmed == 2
    [first, _second] = processor.notices(session)
    said = processor.compose(session, first)
    assert (said.scope, said.subjects) == ("person", (who,))
    assert str(who) in said.text()
    assert "nele" not in said.text() + json.dumps(said.message())
    stated = json.loads((Path(done.certificate) / "certificate.json").read_text())
    assert [(one["processor"], one["state"]) for one in stated["processors"]] == [
        ("All", "open"),
        ("Ours", "open"),
    ]
    assert "still to be told" in (Path(done.certificate) / "certificate.md").read_text()
    assert verify_folder(Path(done.certificate)).ok
    erase(session, smile, who, tmp_path)
    assert len(told(session)) == 2, "a certificate written anew tells nobody again"
    assert actions(admin)[-1] == ("processor.notify", "done")


def test_the_end_of_a_tenant_is_told_and_certified_as_it_is_confirmed(
    session: Session, home: Home, tmp_path: Path
) -> None:
    smile = announced(session)
    processor.add(session, somebody(session))
    processor.add(session, somebody(session, "pay", service="payment"))
    assert termination.plan(session, smile).processors == ("Pay", "Post")
    done = ended(session, smile, tmp_path)
    assert [(one.name, one.state) for one in done.processors] == [("Pay", "open"), ("Post", "open")]
    late = after(session, 31 + 15)
    assert [one.kind for one in unfinished(after(session, 40))] == []
    assert [one.kind for one in unfinished(late)] == ["notice", "notice"]
    assert [one.kind for one in show(late, "smile").unfinished] == ["notice", "notice"]
    pay, post = sorted(processor.notices(late), key=lambda one: one.name)
    assert "Customer | smile" in processor.compose(late, pay).text()
    processor.sent_by_hand(late, pay, "letter of today")
    sent = processor.sent_by_hand(late, post, "mail of today")
    processor.confirm(late, sent, late.clock.now().date(), "their mail")

    again = termination.run(late, smile, termination.plan(late, smile), tmp_path / "again")
    assert (again.outcome, verify_folder(Path(again.certificate)).ok) == ("already ended", True)
    stated = json.loads((Path(again.certificate) / "certificate.json").read_text())
    assert [(one["processor"], one["state"]) for one in stated["processors"]] == [
        ("Pay", "sent"), ("Post", "confirmed"),
    ]  # fmt: skip
    text = (Path(again.certificate) / "certificate.md").read_text()
    assert "not confirmed yet" in text
    assert "their mail" in text
    assert verify_folder(Path(done.certificate)).ok, "the earlier certificate stays what it is"
    found = doctor.examine("test", home.environ).checks
    assert [one for one in found if one.check == "unfinished work" and one.state == "finding"] == []


def test_an_end_leaves_nobody_untold(session: Session, admin: psycopg.Connection, tmp_path: Path) -> None:
    """Not even when the notices were taken out of the way."""
    smile = announced(session)
    processor.add(session, somebody(session))
    begun = "state = 'intent', requested_by = 'x', returned = 'x', epoch = 2, plan = '{}'"
    admin.execute(f"UPDATE lua.termination SET {begun}".encode())
    with transaction(session, smile.tenant_id) as conn:
        while conn.execute("SELECT * FROM lua.take_rows(%s)", [smile.tenant_id]).fetchone():
            pass
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="no notice"),
        transaction(session, smile.tenant_id) as conn,
    ):
        conn.execute("SELECT lua.finish_end(%s, '{}', now())", [smile.tenant_id])


def test_what_is_certified_anew_changes_nothing_else(session: Session, tmp_path: Path) -> None:
    smile = announced(session)
    processor.add(session, somebody(session))
    ended(session, smile, tmp_path)
    known = termination.current(session, smile.tenant_id)
    assert known is not None
    assert known.result is not None
    forged = {**known.result, "facts": {**known.result["facts"], "keys": 0, "instruction": "none"}}
    [changed] = session.conn.execute(
        "SELECT lua.restate_end(%s, %s::jsonb)", [known.termination_id, json.dumps(forged)]
    ).fetchall()
    assert changed == (False,)


def a_notice(session: Session, tmp_path: Path, channel: str = "manual") -> Notice:
    smile = practice(session)
    processor.add(session, somebody(session, channel=channel))
    erase(session, smile, person(session, smile), tmp_path)
    [notice] = processor.notices(session)
    return notice


def test_only_what_was_told_can_be_confirmed_and_once(session: Session, tmp_path: Path) -> None:
    notice = a_notice(session, tmp_path)
    today = session.clock.now().date()
    with pytest.raises(RefusedError, match="not told yet"):
        processor.confirm(session, notice, today, "mail")
    with pytest.raises(UsageError, match="by hand"):
        processor.tell(session, notice)
    sent = processor.sent_by_hand(session, notice, "letter")
    assert processor.sent_by_hand(session, sent, "letter") == sent
    with pytest.raises(UsageError, match="still to come"):
        processor.confirm(session, sent, today + timedelta(1), "mail")
    confirmed = processor.confirm(session, sent, today, "mail")
    assert (confirmed.state, confirmed.deleted_on, confirmed.confirmation) == ("confirmed", today, "mail")
    assert processor.confirm(session, confirmed, today, "mail") == confirmed
    with pytest.raises(RefusedError, match="already"):
        processor.confirm(session, confirmed, today, "another mail")
    with pytest.raises(RefusedError, match="already"):
        processor.sent_by_hand(session, confirmed, "another letter")
    assert processor.notices(session) == []
    with pytest.raises(RefusedError, match="already"):
        processor.tell(session, replace(confirmed, channel="command:post"))


ANSWERS = {
    "received": (
        'import json, sys; said = sys.stdin.read(); open(sys.argv[0] + ".got", "a").write(said);'
        ' print(json.dumps({"luactl-notice": 1, "state": "received", "reference": "ticket 7"}))',
        ("sent", None),
    ),
    "deleted": (
        'import json; print(json.dumps({"luactl-notice": 1, "state": "deleted", "reference": "ticket 7",'
        ' "deleted_on": "2026-01-02"}))',
        ("confirmed", None),
    ),
    "busy": ("import sys; sys.exit(12)", ("not sent", "cannot reach")),
    "fails": ("import sys; sys.exit('nobody home')", ("not sent", "failed with 1: nobody home")),
    "babbles": ("print('hello')", ("not sent", "does not know")),
    "to come": (
        'import json; print(json.dumps({"luactl-notice": 1, "state": "deleted", "reference": "x",'
        ' "deleted_on": "2999-01-02"}))',
        ("not sent", "does not know"),
    ),
    "floods": ("print('x' * 100000)", ("not sent", "more than 64 KiB")),
}


def install(name: str, body: str) -> Path:
    """Put a program where the ones that reach processors lie."""
    programs().mkdir(parents=True, exist_ok=True, mode=0o700)
    file = programs() / name
    file.write_text(f"#!{os.path.realpath('/usr/bin/python3')} -I\n{body}\n")
    file.chmod(0o700)
    return file


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_program_tells_a_processor(
    session: Session, admin: psycopg.Connection, tmp_path: Path, kind: str, at_home: None
) -> None:
    body, (outcome, problem) = ANSWERS[kind]
    notice = a_notice(session, tmp_path, "command:post")
    absent = processor.tell(session, notice)
    assert (absent.outcome, "no program" in str(absent.problem)) == ("not sent", True)
    file = install("post", body)
    done = processor.tell(session, processor.find_notice(session, notice.notice_id))
    assert done.outcome == outcome, done.problem
    assert (problem is None) == (done.problem is None)
    assert problem is None or problem in str(done.problem)
    known = processor.find_notice(session, notice.notice_id)
    assert known.attempts == 2
    assert known.state == {"not sent": "open"}.get(outcome, outcome)
    assert (known.problem is None) == (problem is None)
    sends = [outcome for action, outcome in actions(admin) if action == "processor.send"]
    assert sends == ["intent", "failed", "intent", "failed" if problem else "done"]
    if kind == "received":
        again = processor.tell(session, known)
        assert again.outcome == "sent"
        first, second = map(json.loads, Path(f"{file}.got").read_text().splitlines())
        assert first["notice"] == second["notice"] == str(notice.notice_id)
        assert [first["told_before"], second["told_before"]] == [False, True]
        assert set(first) == {
            "luactl-notice", "notice", "processor", "contact", "cause", "tenant", "scope", "subjects",
            "ours_gone_at", "told_before",
        }  # fmt: skip


@pytest.fixture
def at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the home that commands have."""
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)


def test_the_example_sends_a_mail(
    session: Session, tmp_path: Path, at_home: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = a_notice(session, tmp_path, "command:post")
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\ncat >> {tmp_path}/outbox\nexit "$(cat {tmp_path}/code)"\n')
    sendmail.chmod(0o700)
    monkeypatch.setenv("NOTICE_SENDMAIL", str(sendmail))
    example = Path(__file__).parent.parent / "docs" / "how-to" / "processors" / "by-mail"
    programs().mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy(example, programs() / "post")
    (programs() / "post").chmod(0o700)
    (tmp_path / "code").write_text("75")
    later = processor.tell(session, notice)
    assert (later.outcome, "cannot reach" in str(later.problem)) == ("not sent", True)
    (tmp_path / "code").write_text("0")
    assert processor.tell(session, notice).outcome == "sent"
    text = (tmp_path / "outbox").read_text()
    assert "To: dpo@post.example" in text
    assert text.count(f"Message-ID: <{notice.notice_id}@luactl.invalid>") == 2
    assert str(processor.compose(session, notice).subjects[0]) in text


def test_a_program_of_somebody_else_is_not_run(session: Session, tmp_path: Path, at_home: None) -> None:
    notice = a_notice(session, tmp_path, "command:post")
    install("post", ANSWERS["deleted"][0]).chmod(0o722)
    done = processor.tell(session, notice)
    assert (done.outcome, "not believed" in str(done.problem)) == ("not sent", True)


def test_a_long_message_to_a_program_that_talks_first_does_not_hang(tmp_path: Path) -> None:
    file = tmp_path / "talker"
    file.write_text("#!/bin/sh\nhead -c 60000 /dev/zero | tr '\\0' x\nwc -c\n")
    file.chmod(0o700)
    answer = program.run([str(file)], b"y" * 1_000_000, 20.0)
    assert (answer.code, answer.said[-8:].split()) == (0, [b"1000000"])
    with pytest.raises(TimeoutError):
        program.run(["/bin/sleep", "20"], b"", 0.05)


@pytest.mark.parametrize(
    "role", ["lua_operator", "lua_admin", "lua_responder", "lua_auditor", "lua_accounting"]
)
def test_who_may_what(session: Session, login: Callable[..., Session], tmp_path: Path, role: str) -> None:
    notice = a_notice(session, tmp_path)
    mine = login(role)

    def may(work: Callable[[], object]) -> bool:
        try:
            work()
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True

    assert may(lambda: processor.add(mine, somebody(mine, "more"))) == (role == "lua_admin")
    assert may(lambda: processor.notices(mine)) == (role != "lua_accounting")
    assert may(lambda: processor.compose(mine, notice)) == (role == "lua_operator")
    assert may(lambda: processor.sent_by_hand(mine, notice, "letter")) == (role == "lua_operator")


def test_whose_data_must_go_at_a_dedicated_tenant_is_for_its_staff_to_say(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    vouch(session)
    create(session, NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated"))
    castle = find(session, "castle")
    crm.import_customers(session, castle, table("CustomerId,Email\n9,x@y.example\n"), crm.Options())
    processor.add(session, somebody(session))
    who = crm.list_customers(session, castle, 0).rows[0].subject_id
    erase(session, castle, who, tmp_path)
    [notice] = processor.notices(session)
    assert processor.compose(session, notice).subjects == (who,)
    stranger = login("lua_operator")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not for"):
        processor.compose(stranger, notice)
    vouch(session, stranger.actor)
    admit(session, "castle", stranger.actor)
    assert processor.compose(stranger, notice).subjects == (who,)


def test_cut_short_between_sending_and_the_record_it_is_sent_again(
    session: Session, tmp_path: Path, at_home: None
) -> None:
    notice = a_notice(session, tmp_path, "command:post")
    file = install("post", ANSWERS["received"][0])
    left = iter(range(2))

    def stop(name: str) -> None:
        if name == "about to commit" and next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processor.tell(replace(session, step=stop), notice)
    [still] = processor.waiting(processor.notices(session))
    assert (still.state, still.attempts) == ("open", 0)
    assert processor.tell(session, still).outcome == "sent"
    numbers = {json.loads(line)["notice"] for line in Path(f"{file}.got").read_text().splitlines()}
    assert numbers == {str(notice.notice_id)}
    assert processor.waiting(processor.notices(session)) == []
    assert len(processor.waiting(processor.notices(session), again=True)) == 1


def test_on_the_command_line(session: Session, cli: Cli, tmp_path: Path) -> None:
    practice(session)
    said = (
        "--name",
        "Post",
        "--service",
        "communication",
        "--country",
        "DE",
        "--contact",
        "dpo@post.example",
    )
    assert cli("processor", "add", "post", *said, "--dry-run").returncode == 0
    assert cli("processor", "add", "post", *said).returncode == 0
    assert cli("processor", "add", "post", *said).returncode == 1
    assert "communication" in cli("processor", "list").stdout
    assert cli("processor", "change", "post", "--country", "FR").returncode == 0
    smile = find(session, "smile")
    erase(session, smile, person(session, smile), tmp_path)
    [notice] = json.loads(cli("processor", "notice", "list", "-o", "json").stdout)["data"]
    number = notice["notice_id"]
    assert "personal data must be deleted" in cli("processor", "notice", "letter", number).stdout
    assert cli("processor", "notice", "send", "--yes").stderr.count("wait for somebody") == 1
    assert cli("processor", "notice", "send", number, "--by-hand", "mail 1").returncode == 0
    day = (session.clock.now() - timedelta(1)).date().isoformat()
    done = cli("processor", "notice", "confirm", number, "--deleted-on", day, "--reference", "mail 2")
    assert done.returncode == 0, done.stderr
    assert json.loads(cli("processor", "notice", "list", "-o", "json").stdout)["data"] == []
    assert (
        json.loads(cli("processor", "notice", "show", number, "-o", "json").stdout)["data"]["state"]
        == "confirmed"
    )
    assert cli("processor", "end", "post").returncode == 2
    assert cli("processor", "end", "post", "--yes", "--on", "2100-01-01").returncode == 0
