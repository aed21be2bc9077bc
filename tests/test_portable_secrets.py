"""Credentials go home sealed to their recipient, and nowhere else; what cannot go is said by count."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Home
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import practice
from test_portable import rewrite

from luactl import portable, secret
from luactl.clock import ShiftedClock
from luactl.db import Session
from luactl.errors import RefusedError, UsageError
from luactl.key import SealError
from luactl.key.person import PersonKey, make, open_sealed, person_file, seal_to, seal_value_to
from luactl.portable import form, secrets
from luactl.portable.bundle import FaultyError, rows_of
from luactl.secret import register
from luactl.tenant import Tenant, find
from luactl.verify import verify_folder

VALUE = "hünter2 and a space"


def pair() -> PersonKey:
    key = X25519PrivateKey.generate()
    return PersonKey(key.public_key().public_bytes_raw(), key.private_bytes_raw())


def keep(session: Session, tenant: Tenant, name: str, value: str = VALUE, days: int | None = None) -> None:
    secret.put(session, tenant, secret.plan_put(session, tenant, name, days), value)


def stocked(session: Session) -> Tenant:
    """Return a tenant with two credentials that work, one that has none left, and a token."""
    smile = practice(session)
    keep(session, smile, "smtp.password")
    keep(session, smile, "payment.key", "k", days=30)
    keep(session, smile, "old.password")
    secret.revoke(session, smile, "old.password", "unused")
    secret.issue(session, smile, secret.plan_issue(session, smile, "api", ["contact.read"], 30))
    return smile


def receipt(folder: Path) -> tuple[dict[str, Any], str]:
    return json.loads((folder / "certificate.json").read_text()), (folder / "certificate.md").read_text()


def test_without_being_asked_it_counts_them_and_leaves_them_out(session: Session, tmp_path: Path) -> None:
    done = portable.export(session, stocked(session), tmp_path / "out")
    stated, text = receipt(tmp_path / "out")
    assert stated["secrets"] == done.secrets == {
        "credentials": 2, "included": False, "sealed_to": None, "tokens": 1,
    }  # fmt: skip
    assert "2 credentials are not included" in text
    assert "1 API tokens cannot be returned" in text
    assert "revoked" in text
    assert not (tmp_path / "out" / secrets.FILE).exists()


def test_what_goes_home_opens_for_its_recipient_alone(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    mine, other = pair(), pair()
    portable.export(session, stocked(session), tmp_path / "out", "end", secrets_to=mine.public)
    every = b"".join(file.read_bytes() for file in (tmp_path / "out").iterdir())
    assert VALUE.encode() not in every
    stated, text = receipt(tmp_path / "out")
    assert (stated["secrets"]["credentials"], stated["secrets"]["included"]) == (2, True)
    assert stated["secrets"]["sealed_to"] in text
    assert verify_folder(tmp_path / "out").ok
    bundle = portable.read_bundle(tmp_path / "out")
    found = {one.name: one.value for one in secrets.opened(bundle.export_id, bundle.secrets, mine)}
    assert found == {"smtp.password": VALUE, "payment.key": "k"}
    with pytest.raises(SealError):
        secrets.opened(bundle.export_id, bundle.secrets, other)
    reads = admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb ->> 'object' FROM ledger.entry"
        " WHERE action = 'read' AND convert_from(body, 'UTF8')::jsonb ->> 'object' LIKE 'secret:%' ORDER BY 1"
    )
    assert reads.fetchall() == [("secret:payment.key",), ("secret:smtp.password",)]


def test_one_that_is_revoked_at_this_very_moment_stays_out(
    session: Session, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    smile = stocked(session)

    def read_and_revoke(session: Session, tenant_id: int) -> list[secret.Secret]:
        found = register.read(session, tenant_id)
        admin.execute(
            "UPDATE lua.secret SET revoked_at = created_at, sealed = NULL WHERE name = 'payment.key'"
        )
        return found

    monkeypatch.setattr(secrets, "read", read_and_revoke)
    rows = secrets.rows(session, smile, uuid4(), pair().public, "end")
    assert [row["name"] for row in rows] == ["smtp.password"]


def test_another_program_opens_it_by_the_description(session: Session, tmp_path: Path) -> None:
    """By docs/reference/formats-portable.md alone, without a line of ours."""
    mine = pair()
    portable.export(session, stocked(session), tmp_path / "out", "end", secrets_to=mine.public)
    export = json.loads((tmp_path / "out" / "certificate.json").read_text())["id"]
    for line in (tmp_path / "out" / "secrets.jsonl").read_text().splitlines():
        row = json.loads(line)
        blob = base64.b64decode(row["sealed"])
        once, nonce, rest = blob[1:33], blob[33:45], blob[45:]
        shared = X25519PrivateKey.from_private_bytes(mine.secret).exchange(
            X25519PublicKey.from_public_bytes(once)
        )
        key = HKDF(hashes.SHA256(), 32, once + mine.public, b"luactl/1|return|").derive(shared)
        bound = f"luactl/1|export|{export}|{row['secret_id']}|{row['name']}".encode()
        assert AESGCM(key).decrypt(nonce, rest, bound).decode() in (VALUE, "k")


def test_it_goes_in_again(session: Session, admin: psycopg.Connection, tmp_path: Path) -> None:
    mine = pair()
    smile = stocked(session)
    portable.export(session, smile, tmp_path / "out", "end", secrets_to=mine.public)
    bundle = portable.read_bundle(tmp_path / "out")
    plan = portable.import_data(session, bundle, "twin", person=mine, dry_run=True)
    assert plan.secrets is not None
    assert sorted(plan.secrets.written) == ["payment.key", "smtp.password"]
    portable.import_data(session, bundle, "twin")
    twin = find(session, "twin")
    assert secret.list_(session, twin) == [], "not without being asked"
    keep(session, twin, "payment.key", "another")
    done = portable.import_data(session, bundle, "twin", person=mine)
    assert done.secrets is not None
    assert (done.secrets.written, done.secrets.kept) == (("smtp.password",), ("payment.key",))
    assert secret.reveal(session, twin, "smtp.password", purpose="look").value == VALUE
    assert secret.reveal(session, twin, "payment.key", purpose="look").value == "another"
    before = {one.secret_id for one in secret.list_(session, smile)}
    assert {one.secret_id for one in secret.list_(session, twin) if one.name == "smtp.password"} < before
    again = portable.import_data(session, bundle, "twin", person=mine)
    assert again.secrets is not None
    assert again.secrets.written == ()


def test_what_has_expired_since_stays_out(session: Session, tmp_path: Path) -> None:
    mine = pair()
    portable.export(session, stocked(session), tmp_path / "out", "end", secrets_to=mine.public)
    bundle = portable.read_bundle(tmp_path / "out")
    late = replace(session, clock=ShiftedClock(timedelta(days=31)))
    plan = portable.import_data(late, bundle, "twin", person=mine, dry_run=True)
    assert plan.secrets is not None
    assert plan.secrets.expired == ("payment.key",)


def test_with_the_wrong_key_nothing_goes_in_at_all(session: Session, tmp_path: Path) -> None:
    portable.export(session, stocked(session), tmp_path / "out", "end", secrets_to=pair().public)
    bundle = portable.read_bundle(tmp_path / "out")
    with pytest.raises(SealError):
        portable.import_data(session, bundle, "twin", person=pair())
    with pytest.raises(Exception, match="no tenant"):
        find(session, "twin")


def test_a_key_that_is_none_hands_nothing_over(session: Session, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no point"):
        portable.export(session, stocked(session), tmp_path / "out", "end", secrets_to=bytes(32))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: {**row, "sealed": "no base64!"}, "sealed is no base64"),
        (lambda row: {**row, "name": "../x"}, "name is no name of a secret"),
        (lambda row: {**row, "more": 1}, "a field that no export has"),
        (lambda row: {key: row[key] for key in row if key != "expires_at"}, "expires_at is missing"),
    ],
)
def test_a_forged_line_lets_nothing_in(change: Callable[[Any], Any], reason: str) -> None:
    row = {"secret_id": str(uuid4()), "name": "smtp.password", "expires_at": None, "sealed": "AAAA"}
    [(number, said)] = rows_of(BytesIO(json.dumps(change(row)).encode() + b"\n"), secrets.FORM)
    assert (number, reason in str(said)) == (1, True)
    assert not isinstance(form.parse(secrets.FORM, json.dumps(row).encode()), str)


def test_a_name_stands_once(session: Session, tmp_path: Path) -> None:
    portable.export(session, stocked(session), tmp_path / "out", "end", secrets_to=pair().public)
    rewrite(tmp_path / "out", secrets.FILE, lambda text: text + text)
    with pytest.raises(FaultyError, match="earlier line"):
        portable.read_bundle(tmp_path / "out")


@given(st.binary(max_size=300), st.uuids(), st.uuids(), st.integers(0, 400))
def test_sealed_bytes_open_in_their_place_only(value: bytes, export: UUID, id: UUID, at: int) -> None:
    from luactl.key.person import open_value

    mine, where = pair(), secrets.place(export, id, "a")
    sealed = seal_value_to(mine.public, value, where)
    if value:
        assert open_value(mine, sealed, where) == value
    flipped = bytearray(sealed)
    flipped[at % len(sealed)] ^= 1
    for blob, bound in (
        (bytes(flipped), where),
        (sealed, secrets.place(export, id, "b")),
        (sealed[:60], where),
    ):
        with pytest.raises(SealError):
            open_value(mine, blob, bound)
    with pytest.raises(SealError):  # a released node key is no credential, nor the other way round
        open_value(mine, seal_to(mine.public, bytes(32), where), where)
    with pytest.raises(SealError):
        open_sealed(mine, seal_value_to(mine.public, bytes(32), where), where)


def test_by_the_commands(
    session: Session,
    home: Home,
    cli: Callable[..., CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stocked(session)
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    assert cli("key", "person", "init", "--yes").returncode == 0
    (tmp_path / "me.pub").write_text(cli("key", "person", "show").stdout)
    out = str(tmp_path / "out")
    plan = cli(
        "tenant", "export", "smile", out, "--secrets-to", str(tmp_path / "me.pub"), "--dry-run", "-o", "json"
    )
    assert json.loads(plan.stdout)["data"]["secrets"]["included"] is True
    done = cli("tenant", "export", "smile", out, "--secrets-to", str(tmp_path / "me.pub"), "--yes")
    assert done.returncode == 0, done.stderr
    assert VALUE not in done.stdout + done.stderr
    taken = cli("tenant", "import-data", out, "--as", "twin", "--yes")
    assert "2 credentials stay out" in taken.stderr
    taken = cli("tenant", "import-data", out, "--as", "twin", "--with-secrets", "--yes")
    assert taken.returncode == 0, taken.stderr
    assert VALUE in cli("secret", "reveal", "smtp.password", "--tenant", "twin", "--purpose", "x").stdout
    person_file("test").unlink()
    assert cli("tenant", "import-data", out, "--as", "twin", "--with-secrets", "--yes").returncode == 5
    make(person_file("test"))
    assert cli("tenant", "import-data", out, "--as", "twin", "--with-secrets", "--yes").returncode == 1
    assert cli("tenant", "export", "smile", out + "2", "--secrets-to", "/dev/null", "--yes").returncode == 2


def test_who_may_not_read_credentials_returns_none(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    smile = stocked(session)
    for roles in (("lua_admin",), ("lua_dpo",)):
        with pytest.raises(RefusedError):
            portable.export(login(*roles), smile, tmp_path / "out", "end", secrets_to=pair().public)
