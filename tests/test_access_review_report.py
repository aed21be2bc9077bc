"""Reports of reviews: signed, checked offline, and told from what somebody changed afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_string
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from conftest import Connection
from support_post import Post, post_office
from support_review import House, build, take_down

from luactl.access import review
from luactl.access.review.chain import head_of, problems
from luactl.access.review.pace import paces
from luactl.db import Session
from luactl.errors import RefusedError, UsageError
from luactl.promise import load, reviewing
from luactl.promise.look import Look
from luactl.verify import verify_folder


@pytest.fixture
def house(admin: Connection, login: Callable[..., Session]) -> Iterator[House]:
    made = build(admin, login)
    yield made
    take_down(made)


def closed(house: House) -> UUID:
    """Review the crew: anna stays, bert goes, cleo goes after a change of mind."""
    opened = house.open()
    mara = house.sessions["mara"]
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1, 3], "keep")
    review.decide(mara, opened.review_id, [2, 3], "revoke", "left | the crew")
    review.close(house.sessions["dora"], opened.review_id)
    return opened.review_id


def test_a_report_is_checked_offline(house: House, session: Session, tmp_path: Path) -> None:
    open_ = house.open()
    with pytest.raises(RefusedError, match="open yet"):
        review.report(session, open_.review_id, tmp_path / "early")
    id_, folder = closed(house), tmp_path / "report"
    assert review.report(session, id_, folder, dry_run=True).state == "planned"
    assert not folder.exists()
    done = review.report(session, id_, folder)
    assert (done.state, done.outcomes) == ("complete", {"kept": 1, "done": 2})
    verdict = verify_folder(folder)
    assert (verdict.ok, verdict.kind, verdict.findings) == (True, "access-review", ())
    facts = json.loads((folder / "certificate.json").read_bytes())
    assert facts["reviewers"][0]["reviewer"] == "mara"
    assert facts["decisions"]["count"] == 4
    assert "left \\| the crew" in (folder / "certificate.md").read_text()
    assert review.report(session, id_, folder).state == "complete"  # again, in its place


def test_what_is_not_one_review_is_found() -> None:
    """A report whose files each are as the manifest says, but do not belong together."""
    snapshot = {
        "review": "r",
        "population": [{"login": "anna", "left_out": None}],
        "items": [{"no": 1, "login": "anna", "person": "p1"}],
    }
    made = {"no": 1, "review": "r", "item": 1, "decision": "keep", "person": "p2"}

    def report(snapshot: object, decisions: list[object], head: str | None = None) -> list[tuple[str, str]]:
        data = json.dumps(snapshot).encode()
        bodies = [json.dumps(one).encode() for one in decisions]
        facts = {
            "snapshot": {"sha256": sha256(data).hexdigest()},
            "decisions": {"head": head or head_of(data, bodies)},
            "items": [{"item": 1, "decision": "keep"}],
        }
        return list(problems(facts, {"snapshot.json": data, "decisions.chain": b"\n".join(bodies)}))

    assert report(snapshot, [made]) == []
    assert "lead" in report(snapshot, [made], "00")[0][1]
    assert "own access" in report(snapshot, [{**made, "person": "p1"}])[0][1]
    assert "otherwise" in report(snapshot, [{**made, "decision": "revoke"}])[0][1]
    assert "another review" in report(snapshot, [{**made, "review": "x"}])[0][1]
    assert "gap" in report(snapshot, [{**made, "no": 2}])[0][1]
    left_out = {**snapshot, "population": [{"login": "anna", "left_out": "outside"}]}
    assert "leaves out" in report(left_out, [made])[0][1]
    assert "malformed" in report([], [made])[0][1]
    assert "missing" in next(problems({}, {}))[1]


def test_verify_finds_what_was_changed(house: House, session: Session) -> None:
    id_ = closed(house)
    assert {one.check: one.state for one in review.verify(session, id_)} == dict.fromkeys(
        ("snapshot", "decisions", "ledger", "catalog"), "holds"
    )
    changes = {
        "decisions": "UPDATE lua.review_decision SET decision = 'keep', reason = NULL WHERE decision_no = 4",
        "snapshot": "UPDATE lua.review_item SET object = 'lua_auditor' WHERE item_no = 1",
        "ledger": "UPDATE lua.review_decision SET entry_id = gen_random_uuid() WHERE decision_no = 1",
    }
    for name, change in changes.items():
        house.admin.execute(change)
        broken = [one.check for one in review.verify(session, id_) if one.state == "broken"]
        assert name in broken, (name, broken)
    house.grant(house.crew, "bert")
    assert review.verify(session, id_)[-1].what == f"item 2: bert_{house.tag} has {house.crew}"


def test_waving_through_shows() -> None:
    quick = [{"person": "p", "decision": "keep", "ms": 400, "batch": 1}] * 6
    slow = [{"person": "q", "decision": "revoke", "ms": 9000, "batch": 3}] * 6
    many = [{"person": "r", "decision": "keep", "ms": 5000, "batch": 40}] * 40
    found = {
        one.reviewer: one for one in paces([*quick, *slow, *many], {"p": "pia", "q": "quin", "r": "ria"})
    }
    assert found["pia"].waved_through == "6 of 6 decisions took less than 2 s"
    assert found["quin"].waved_through is None
    assert found["ria"].waved_through == "40 items were decided at once; everything was kept"
    assert (found["quin"].median_ms, found["quin"].kept, found["ria"].largest_batch) == (9000, 0, 40)


def probe(session: Session) -> Look:
    look = Look()
    reviewing.reviews(session, load(), look)
    return look


def test_the_promise_is_kept_while_reviews_come_and_revokes_hold(house: House) -> None:
    dora, mara = house.sessions["dora"], house.sessions["mara"]
    assert "comes again" in probe(dora).why
    opened = house.open(months=3)
    assert "first of its kind" in probe(dora).why
    assert (probe(dora).state, probe(house.later("dora", 15)).state) == ("not observable", "broken")
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1, 2], "keep")
    review.decide(mara, opened.review_id, [3], "revoke", "left")
    review.close(dora, opened.review_id)
    assert (probe(dora).state, probe(house.later("dora", 80)).state) == ("kept", "kept")
    assert "too long ago" in probe(house.later("dora", 95)).why
    house.run("GRANT {} TO {}", house.crew, f"cleo_{house.tag}")  # a superuser, behind everybody's back
    found = probe(dora)
    assert (found.state, f"cleo_{house.tag} has {house.crew}" in found.why) == ("broken", True)


def test_the_next_one_is_opened_in_time(house: House) -> None:
    dora, mara = house.sessions["dora"], house.sessions["mara"]
    opened = house.open(months=3, days=10, owners=(f"{house.crew}=mara",))
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [1, 2, 3], "keep")
    review.close(dora, opened.review_id)
    assert review.again(house.later("dora", 75)) == ()
    late = house.later("dora", 83)
    assert len(review.again(late, dry_run=True)) == 1
    (second,) = review.again(late)
    assert (second.title, second.items, second.months) == ("crew", 3, 3)
    assert second.shares[0].assigned_as == "owner"
    assert review.find(dora, second.review_id).series == opened.review_id
    assert review.again(late) == ()


def test_who_does_not_answer_is_reminded_and_passed_over(house: House, tmp_path: Path) -> None:
    opened = house.open()
    dora = house.sessions["dora"]
    review.show_mine(house.sessions["mara"], opened.review_id)
    (one,) = review.remind(dora, opened.review_id)
    assert (one.reviewer, one.waiting, one.seen, one.told, one.problem) == ("mara", 3, 3, "", None)
    script = tmp_path / "tell"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\n")
    script.chmod(0o700)
    profile = replace(dora.profile, detect={"alerts": [f"command:{script}", "command:/nowhere/x"]})
    (one,) = review.remind(replace(dora, profile=profile), opened.review_id)
    assert (one.told, one.problem) == ("command", "there is no program /nowhere/x on this host")
    said = json.loads((tmp_path / "told").read_text())
    assert (said["reviewer"], said["waiting"], said["title"]) == ("mara", 3, "crew")
    assert len(review.escalate(dora, opened.review_id, dry_run=True)) == 3
    moved = review.escalate(dora, opened.review_id)
    assert {(one.before, one.reviewer) for one in moved} == {("mara", "dora")}
    assert review.escalate(dora, opened.review_id) == ()
    with pytest.raises(RefusedError, match="not for"):
        review.decide(house.sessions["mara"], opened.review_id, [1], "keep")
    assert len(review.show_mine(dora, opened.review_id)) == 3


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_file_goes_out_and_comes_back_as_it_was(house: House, tmp_path: Path, ending: str) -> None:
    opened = house.open()
    mara, file = house.sessions["mara"], tmp_path / f"mine.{ending}"
    assert review.export(mara, opened.review_id, file, dry_run=True).items == 3
    assert not file.exists()
    assert review.export(mara, opened.review_id, file).digest == opened.digest
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    with pytest.raises(RefusedError, match="there already"):
        review.export(mara, opened.review_id, file)
    with pytest.raises(RefusedError, match="nothing of this review"):
        review.export(house.sessions["anna"], opened.review_id, tmp_path / "hers.csv")
    if ending == "json":
        rows = json.loads(text)
        for row, decision, reason in zip(rows, ("keep", "revoke", ""), ("", "left, in May", ""), strict=True):
            row.update(decision=decision, reason=reason)
        file.write_text(json.dumps(rows))
    else:
        lines = text.splitlines()
        lines[1] = lines[1].removesuffix(",,,") + ",keep,,"
        lines[2] = lines[2].removesuffix(",,,") + ',revoke,"left, in May",'
        file.write_text("\ufeff" + "\r\n".join(lines))  # as spreadsheets write it
    assert len(review.import_(mara, file, dry_run=True)) == 2
    assert review.find(mara, opened.review_id).decided == 0
    done = review.import_(mara, file)
    assert [(one.items, one.decision, one.reason) for one in done] == [
        ("1", "keep", None), ("2", "revoke", "left, in May")
    ]  # fmt: skip
    review.import_(mara, file)
    decisions = house.admin.execute("SELECT count(*) FROM lua.review_decision").fetchone()
    assert decisions == (2,)
    good = file.read_text()
    for wrong, said in (
        (good.replace(f"bert_{house.tag}", f"mara_{house.tag}"), "not those that are yours"),
        (good.replace(opened.digest, "0" * 64), "another snapshot"),
    ):
        file.write_text(wrong)
        with pytest.raises(RefusedError, match=said):
            review.import_(mara, file)
    file.write_text(good)
    with pytest.raises(RefusedError, match="not those that are yours"):
        review.import_(house.sessions["dora"], file)
    file.write_text('[{"no": 1}]')
    with pytest.raises(UsageError, match="no file of a review"):
        review.import_(mara, file)


@contextmanager
def by_mail(session: Session) -> Iterator[tuple[Session, Post]]:
    """A session whose profile has reminders mailed, by a server that is really there."""
    with post_office() as post:
        mail = {"server": f"smtp://localhost:{post.port}", "sender": "luactl@lua.example"}
        said = {"alerts": ["mail:staff@lua.example"], "mail": mail}
        yield replace(session, profile=replace(session.profile, detect=said)), post


def outcomes(house: House) -> list[tuple[str, object]]:
    """Return what the ledger says of reminders: outcome, and which channels were told."""
    found = house.admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb FROM ledger.entry"
        " WHERE action = 'access.review.remind' ORDER BY id"
    ).fetchall()
    return [(row[0]["outcome"], row[0]["detail"]["told"]) for row in found]


def test_a_reminder_is_one_mail_with_handles_counts_and_days_alone(house: House) -> None:
    opened = house.open()
    with by_mail(house.sessions["dora"]) as (dora, post):
        assert review.remind(dora, opened.review_id, dry_run=True)[0].told == ""
        assert (post.mails, outcomes(house)) == ([], [])
        (one,) = review.remind(dora, opened.review_id)
        assert (one.reviewer, one.told, one.problem) == ("mara", "mail", None)
    (text,) = post.mails
    mail = message_from_string(text)
    assert (mail["From"], mail["To"]) == ("luactl@lua.example", "staff@lua.example")
    to = [line.partition(":")[2] for line in post.said if line.upper().startswith("RCPT")]
    assert to == ["<staff@lua.example>"]
    assert mail["Subject"] == "luactl test: review of access crew: 3 items wait"
    body = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert body.split("\n")[0].startswith("mara: 3 items until 20")
    assert f"luactl access review show {opened.review_id} --mine" in body
    # Neither logins nor roles, nor whose access it is, nor anybody's name.
    assert [one for one in (house.tag, "Mara", "anna", "bert", "cleo", "dora", "lua_") if one in body] == []
    assert outcomes(house) == [("intent", []), ("done", ["mail"])]


def test_a_mail_server_that_takes_nothing_is_told_and_nothing_else_happened(house: House) -> None:
    opened = house.open()
    with by_mail(house.sessions["dora"]) as (dora, post):
        post.answer = "451 4.7.1 try again later"
        (one,) = review.remind(dora, opened.review_id)
        assert (one.told, one.problem) == ("", "localhost did not take the mail: 451 4.7.1 try again later")
        assert outcomes(house) == [("intent", []), ("failed", [])]
        post.answer = "250 ok"

        def stop(step: str) -> None:
            if step == "reminder sent":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):  # it was sent, and nobody wrote that down
            review.remind(replace(dora, step=stop), opened.review_id)
        review.remind(dora, opened.review_id)
        first, second = (message_from_string(mail)["Message-ID"] for mail in post.mails)
        assert first == second
        review.remind(replace(dora, clock=house.later("dora", 1).clock), opened.review_id)
        assert message_from_string(post.mails[2])["Message-ID"] != first
    (one,) = review.remind(dora, opened.review_id)
    assert one.problem is not None
    assert one.problem.startswith("localhost cannot be reached: ")
