"""A cosigner signs, from files alone, only what is proved to go on from what it signed before."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import support_ledger
from hypothesis import given
from hypothesis import strategies as st
from support_ledger import problems, write

from luactl import ledger
from luactl.db import Session
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.ledger import cosigned
from luactl.ledger.cosign import Cosigner, CosignerKey, Request, cosign, cosignatures, new_key, sign_files
from luactl.ledger.merkle import consistency_proof, root
from luactl.ledger.note import Checkpoint, NoteError, Signer, Verifier

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login
LOG, KEY = Signer("log.example", bytes(range(32))), CosignerKey("auditor.example/1", bytes(range(1, 33)))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEAVES = [b"%d" % n for n in range(40)]


def request(old: int, leaves: list[bytes], signer: Signer = LOG) -> str:
    note = Checkpoint(signer.name, len(leaves), root(leaves)).signed(signer).note
    proof = consistency_proof(leaves, old) if old else []
    return "\n".join([f"old {old}", *(base64.b64encode(one).decode() for one in proof), "", note])


def test_a_cosignature_is_that_of_the_specification() -> None:
    """Key id, time and text as C2SP tlog-cosignature says, checked with nothing but Ed25519."""
    from hashlib import sha256

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text = Checkpoint("log.example", 40, root(LEAVES)).text()
    line = KEY.line(text, NOW)
    blob = base64.b64decode(line.split(" ")[2])
    public = KEY.cosigner.public
    assert line.startswith("— auditor.example/1 ")
    assert blob[:4] == sha256(b"auditor.example/1\n\x04" + public).digest()[:4]
    assert int.from_bytes(blob[4:12], "big") == int(NOW.timestamp())
    signed = f"cosignature/v1\ntime {int(NOW.timestamp())}\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(blob[12:], signed)
    assert Cosigner.parse(str(KEY.cosigner)) == KEY.cosigner
    assert CosignerKey.parse(KEY.secret()) == KEY
    for bad in (str(LOG.verifier), str(KEY.cosigner).replace("1+", "2+", 1), "x", KEY.secret()[:-4]):
        with pytest.raises(NoteError):
            Cosigner.parse(bad)


def test_it_signs_what_goes_on_and_remembers_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for old, new in ((0, 5), (5, 5), (5, 33), (33, 40)):
        note = cosign(request(old, LEAVES[:new]), LOG.verifier, KEY, state, NOW)
        (found,) = cosignatures(note, [KEY.cosigner])
        assert (found.cosigner, found.size, found.root, found.at) == (KEY.name, new, root(LEAVES[:new]), NOW)
        assert json.loads(state.read_text())["log.example"]["size"] == new
    assert cosign(request(0, LEAVES), LOG.verifier, KEY, state, NOW), "the very same again"


def test_it_refuses_whatever_does_not_go_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    cosign(request(0, LEAVES[:20]), LOG.verifier, KEY, state, NOW)
    forged = [*LEAVES[:3], b"forged", *LEAVES[4:]]
    bad = [
        request(20, forged),
        request(0, LEAVES),
        request(19, LEAVES),
        request(20, LEAVES).replace("old 20", "old 19"),
        request(10, LEAVES[:19]).replace("old 10", "old 20"),
        request(20, LEAVES, Signer("log.example", bytes(32))),
        request(20, LEAVES, Signer("other.example", bytes(range(32)))),
        request(20, LEAVES).replace("\n40\n", "\n41\n"),
        "", "old 20", "old 20\n\n", "old -1\n\nx", "old 20\n!\n\n" + request(20, LEAVES).partition("\n\n")[2],
    ]  # fmt: skip
    before = state.read_text()
    for one in bad:
        with pytest.raises(LuactlError):
            cosign(one, LOG.verifier, KEY, state, NOW)
    assert state.read_text() == before
    state.write_text("{")
    with pytest.raises(RefusedError):
        cosign(request(20, LEAVES), LOG.verifier, KEY, state, NOW)


@given(st.text(max_size=80))
def test_no_request_however_malformed_is_more_than_an_error(text: str) -> None:
    try:
        Request.parse(text)
    except NoteError:
        return


def cosigned_by(session: Session, folder: Path, since: int) -> str:
    found = ledger.newest_checkpoint(session, since)
    ask, out = folder / f"request-{found.size}", folder / f"cosigned-{found.size}"
    ledger.write_checkpoint(found, ask)
    sign_files(ask, folder / "key", ledger.status(session).vkey, None, out)
    return out.read_text()


def test_the_ledger_tells_who_cosigned(admin_login: Session, init: Session, tmp_path: Path) -> None:
    vkeys = (str(new_key(tmp_path / "key", "auditor.example/1")),)
    write(admin_login, *["a"] * 300)
    ledger.integrate(admin_login)
    note = cosigned_by(admin_login, tmp_path, 0)
    with pytest.raises(NotFoundError):
        cosigned.add(admin_login, note)
    session = replace(admin_login, profile=replace(admin_login.profile, cosigners=vkeys, cosigners_needed=1))
    assert problems(session) == ["0 of the 1 cosigners that the profile asks for have signed"]
    assert ledger.status(session).cosigned == 0
    for _twice in range(2):
        (found,) = cosigned.add(session, note)
        assert (found.cosigner, found.size) == ("auditor.example/1", 301)
    ledger.integrate(session)
    assert problems(session) == []
    status = ledger.status(session)
    assert (status.size, status.cosigned) == (302, 301)
    assert [(one.cosigner, one.size, one.lag) for one in status.cosigners] == [("auditor.example/1", 301, 1)]
    second = cosigned_by(session, tmp_path, 301)
    cosigned.add(session, second)
    assert ledger.status(session).cosigners[0].size == 302
    more = replace(session, profile=replace(session.profile, cosigners_needed=2))
    assert "1 of the 2" in problems(more)[0]
    broken = replace(session, profile=replace(session.profile, cosigners=("x",)))
    with pytest.raises(UsageError):
        ledger.status(broken)
    init.conn.execute("UPDATE ledger.leaf SET hash = sha256('x') WHERE index = 7")
    assert any("a cosigner: another root was signed for 301" in one for one in problems(session))


def test_what_another_log_signed_is_not_taken_in(admin_login: Session, tmp_path: Path) -> None:
    ledger.integrate(admin_login)
    session = replace(admin_login, profile=replace(admin_login.profile, cosigners=(str(KEY.cosigner),)))
    foreign = cosign(request(0, LEAVES), LOG.verifier, KEY, tmp_path / "state", NOW)
    with pytest.raises(NoteError):
        cosigned.add(session, foreign)
    own = Signer.parse(session.profile.signing_key.read_text().strip())
    elsewhere = Checkpoint(own.name, 40, root(LEAVES)).signed(own).note
    asked = f"old 0\n\n{elsewhere}"
    with pytest.raises(RefusedError, match="no such checkpoint"):
        cosigned.add(session, cosign(asked, Verifier.parse(str(own.verifier)), KEY, tmp_path / "s2", NOW))
