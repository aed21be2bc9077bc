"""Telling people of findings: by a real mail server and a real program, once each, and nothing personal."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection, Home
from support_events import NOW, plant
from support_post import post_office
from support_whole import luactl

from luactl import log
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import UsageError
from luactl.log import detect as engine
from luactl.log.detect import Settings, Told

READ = {"action": "read", "actor": "mara", "behalf": "mia@praxis.example", "people": {"from": 0, "to": 100}}


@pytest.fixture
def found(session: Session, admin: Connection) -> Session:
    """A session in whose log something was found."""
    plant(admin, [{**READ, "at": -30}])
    now = replace(session, clock=FixedClock(NOW))
    detected(now, 1440)
    return now


def detected(session: Session, back: int) -> engine.Run:
    rules = engine.chosen(engine.every_rule(None, {}), ["bulk-read"])
    now = session.clock.now()
    return engine.detect(session, rules, now - timedelta(minutes=back), now)


def mailing(port: int, host: str = "localhost", scheme: str = "smtp", **more: Any) -> Settings:
    said = {"server": f"{scheme}://{host}:{port}", "sender": "luactl@lua.example", **more}
    return chosen(alerts=["mail:soc@lua.example"], mail=said)


def chosen(**said: Any) -> Settings:
    from luactl.config import Profile

    profile = Profile("prod", "", False, False, False, (), (), (), Path("/x"), detect=said)
    return engine.settings_of(profile)


def told(session: Session, settings: Settings) -> tuple[Told, ...]:
    return engine.tell(session, settings, engine.waiting(session, settings))


def test_a_mail_says_what_was_found_and_nothing_personal(found: Session) -> None:
    with post_office() as post:
        settings = mailing(post.port)
        assert told(found, settings) == (Told("mail:soc@lua.example", 1, "told", None),)
        assert told(found, settings) == ()
    (text,) = post.mails
    mail = message_from_string(text)
    assert (mail["From"], mail["To"]) == ("luactl@lua.example", "soc@lua.example")
    assert mail["Subject"] == "luactl test: findings: 1, high: bulk-read"
    body = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    (finding,) = engine.findings(found)
    assert "rule bulk-read; actor mara; count 100" in body
    assert f"luactl log finding show {finding.finding_id}" in body
    assert finding.group["behalf"] == "mia@praxis.example"
    assert "mia" not in text


def test_what_could_not_be_told_is_told_later_as_the_same_mail(found: Session, admin: Connection) -> None:
    with post_office() as post:
        settings = mailing(post.port)
        post.answer = "451 4.7.1 try again later"
        (failed,) = told(found, settings)
        assert (failed.outcome, failed.problem) == (
            "not told",
            "localhost did not take the mail: 451 4.7.1 try again later",
        )
        assert [one.count for one in engine.waiting(found, settings)] == [100]
        post.answer = "250 ok"

        def die(step: str) -> None:
            if step == "about to commit" and post.mails:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):  # it was sent, and nobody wrote that down
            told(replace(found, step=die), settings)
        assert told(found, settings)[0].outcome == "told"
    first, second = (message_from_string(mail)["Message-ID"] for mail in post.mails)
    assert first == second
    problems = admin.execute("SELECT problem FROM lua.log_alert ORDER BY problem").fetchall()
    assert problems == [(failed.problem,), (None,)]
    outcomes = [line.outcome for line in log.search(found, log.parse("action:log.alert", NOW)).lines]
    assert sorted(outcomes) == ["done", "failed", "intent", "intent", "intent"]
    assert told(found, mailing(1)) == ()


def test_what_has_doubled_is_told_again(found: Session, admin: Connection) -> None:
    with post_office() as post:
        settings = mailing(post.port)
        told(found, settings)
        plant(admin, [{**READ, "at": 5, "people": {"from": 100, "to": 150}}])
        later = replace(found, clock=FixedClock(NOW + timedelta(minutes=10)))
        assert detected(later, 10).findings[0].state == "grown"
        assert engine.waiting(later, settings) == ()
        plant(admin, [{**READ, "at": 15, "people": {"from": 150, "to": 230}}])
        later = replace(found, clock=FixedClock(NOW + timedelta(minutes=20)))
        detected(later, 10)
        assert [one.count for one in engine.waiting(later, settings)] == [230]
        assert engine.waiting(replace(later, clock=FixedClock(NOW + timedelta(days=8))), settings) == ()
        assert engine.waiting(later, replace(settings, alert_from="critical")) == ()


def test_without_tls_nothing_leaves_the_host(found: Session) -> None:
    with post_office() as post:
        (done,) = told(found, mailing(post.port, "127.0.0.2"))
        assert (done.outcome, post.mails) == ("not told", [])
        assert done.problem is not None
        assert "STARTTLS" in done.problem
        assert not [line for line in post.said if line.startswith(("MAIL", "AUTH"))]
    (done,) = told(found, mailing(post.port))
    assert done.problem is not None
    assert done.problem.startswith("localhost cannot be reached: ")


def test_with_tls_and_a_password_from_a_file(
    found: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, passfile = make_certificate(tmp_path), tmp_path / "mail.pass"
    passfile.write_text("*:*:*:luactl:geheim\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with post_office(context) as post:
        settings = mailing(post.port, "127.0.0.2", "smtps", login="luactl", passfile=str(passfile))
        (done,) = told(found, settings)
        assert done.problem == f"others may read the password file {passfile}"
        passfile.chmod(0o600)
        (done,) = told(found, settings)
        assert done.problem is not None
        assert "certificate verify failed" in done.problem
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert told(found, settings)[0].outcome == "told"
    assert len(post.mails) == 1
    assert any(line.startswith("AUTH PLAIN ") for line in post.said)
    passfile.write_text("")
    other = replace(settings, alerts=("mail:other@lua.example",))
    assert "has no password for luactl" in (told(found, other)[0].problem or "")


def make_certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.2 that nobody trusts by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "post")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.2"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "post.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def program(folder: Path, text: str) -> Path:
    file = folder / "page"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o700)
    return file


def test_a_program_gets_a_line_of_json_each(found: Session, tmp_path: Path) -> None:
    page = program(tmp_path, f'cat > {tmp_path}/said; echo "$1" > {tmp_path}/args')
    settings = chosen(alerts=[f"command:{page} 'high only'"])
    assert told(found, settings)[0].outcome == "told"
    (finding,) = engine.findings(found)
    assert json.loads((tmp_path / "said").read_text()) == {
        "luactl-alert": 1,
        "finding": str(finding.finding_id),
        "run": str(finding.run_id),
        "level": "high",
        "rule": "bulk-read",
        "rule_id": str(finding.rule_id),
        "title": finding.title,
        "about": "actor mara",
        "count": 100,
        "events": 1,
        "first_at": "2026-03-02T11:30:00Z",
        "last_at": "2026-03-02T11:30:00Z",
    }
    assert (tmp_path / "args").read_text() == "high only\n"


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("echo nobody is on call >&2; exit 3", 0o700, "failed with 3: nobody is on call"),
        ("exit 0", 0o722, "it is not believed"),
        ("exit 0", 0o600, "cannot be started"),
    ],
)
def test_a_program_that_does_not_tell(found: Session, tmp_path: Path, text: str, mode: int, why: str) -> None:
    page = program(tmp_path, text)
    page.chmod(mode)
    settings = chosen(alerts=[f"command:{page}"])
    (done,) = told(found, settings)
    assert done.outcome == "not told"
    assert why in (done.problem or "")
    page.unlink()
    assert "there is no program" in (told(found, settings)[0].problem or "")
    assert len(engine.waiting(found, settings)) == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"alerts": "mail:x@y.example"}, "a list of texts"),
        ({"alerts": ["pager:7"]}, "cannot go to 'pager:7'"),
        ({"alerts": ["mail:a@b.example\nBcc: c@d.example"]}, "cannot go to"),
        ({"alerts": ["command:page"]}, "cannot go to"),
        ({"alerts": ["command:/page 'x"]}, "cannot go to"),
        ({"alert_from": "loud"}, "alert_from cannot be 'loud'"),
        ({"mail": "smtp://x"}, "a table of texts"),
        ({"mail": {"server": "http://x", "sender": "a@b.example"}}, "no smtp://HOST"),
        ({"mail": {"server": "smtp://u:p@x", "sender": "a@b.example"}}, "no smtp://HOST"),
        ({"mail": {"server": "smtp://x:y", "sender": "a@b.example"}}, "no smtp://HOST"),
        ({"mail": {"server": "smtp://x", "sender": "me"}}, "sender is no address"),
        ({"mail": {"server": "smtp://x", "sender": "a@b.example", "login": "l"}}, "belong together"),
        (
            {"mail": {"server": "smtp://x", "sender": "a@b.example", "password": "p"}},
            "unknown setting 'password'",
        ),
    ],
)
def test_settings_that_cannot_be(said: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        chosen(**said)


def test_a_run_tells_what_it_found(home: Home, tmp_path: Path) -> None:
    page = program(tmp_path, f"cat >> {tmp_path}/said")
    config = home.paths.config_file
    config.write_text(config.read_text() + f'\n[profile.test.detect]\nalerts = ["command:{page}"]\n')
    planned = luactl("log", "detect", "--dry-run", "-o", "json")
    assert (planned.code, (tmp_path / "said").exists()) == (6, False)
    done = luactl("log", "detect", "-o", "json")
    assert done.code == 6
    lines = [json.loads(line) for line in (tmp_path / "said").read_text().splitlines()]
    assert {one["finding"] for one in lines} == {one["finding_id"] for one in done.data}
    assert luactl("log", "alert", "list", "-o", "json").data == []
    program(tmp_path, "exit 1")
    config.write_text(config.read_text().replace(str(page), f"{page} again"))
    assert len(luactl("log", "alert", "list", "-o", "json").data) == len(lines)
    failed = luactl("log", "alert", "send", "-o", "json")
    assert (failed.code, failed.data[0]["outcome"]) == (6, "not told")
    program(tmp_path, "exit 0")
    assert luactl("log", "alert", "send", "-o", "json").data[0]["findings"] == len(lines)
