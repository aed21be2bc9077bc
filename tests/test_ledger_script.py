"""The script in docs/reference that checks a proof with nothing of ours, on good proofs and bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import support_ledger
from support_ledger import write

from luactl import ledger
from luactl.db import Session
from luactl.errors import UsageError
from luactl.ledger.note import Signer
from luactl.verify import verify_folder

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login
SCRIPT = Path(__file__).parents[1] / "docs" / "reference" / "verify_proof.py"


def run(proof: Any, vkey: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT, vkey],
        input=json.dumps(proof),
        text=True,
        capture_output=True,
        check=False,
    )
    assert not done.stderr.startswith("Traceback")
    return done.returncode, done.stdout + done.stderr


def flipped(text: str) -> str:
    return ("1" if text[0] != "1" else "2") + text[1:]


def test_it_is_short_and_imports_nothing_of_ours() -> None:
    source = SCRIPT.read_text()
    assert len(source.splitlines()) <= 100
    assert "import luactl" not in source
    assert "from luactl" not in source


def test_good_proofs_hold_and_bad_ones_do_not(admin_login: Session, tmp_path: Path) -> None:
    ids = write(admin_login, *["a"] * 6)
    ledger.integrate(admin_login)
    proof = ledger.prove(admin_login, ids[3])
    told: dict[str, Any] = {
        "id": str(proof.id), "index": proof.index, "hashes": [one.hex() for one in proof.hashes],
        "checkpoint": proof.checkpoint, "body": proof.body.hex(), "size": proof.size,
    }  # fmt: skip
    assert run({"data": told}, proof.vkey) == (
        0,
        f"proved: {_at(proof.body)} {admin_login.actor} a None done\n",
    )
    bad = [
        {**told, "index": told["index"] + 1},
        {**told, "index": -1},
        {**told, "index": "4"},
        {**told, "hashes": told["hashes"][:-1]},
        {**told, "hashes": [*told["hashes"], told["hashes"][0]]},
        {**told, "hashes": [flipped(told["hashes"][0]), *told["hashes"][1:]]},
        {**told, "body": (proof.body + b" ").hex()},
        {**told, "id": str(ids[2])},
        {**told, "checkpoint": proof.checkpoint.replace("\n7\n", "\n8\n")},
        {**told, "checkpoint": "x"},
        {},
        [],
    ]
    for one in bad:
        assert run(one, proof.vkey)[0] == 1, one
    assert run(told, str(Signer("lua-crm.ledger/00000000", bytes(32)).verifier))[0] == 1
    assert run(told, flipped(proof.vkey))[0] == 1
    file = tmp_path / "proof.json"
    whole = {**told, "root": proof.root.hex(), "vkey": proof.vkey}
    for one, holds in (
        (whole, True),
        *(({**whole, **each}, False) for each in bad if isinstance(each, dict) and each),
    ):
        file.write_text(json.dumps({"data": one}))
        verdict = verify_folder(file, proof.vkey)
        assert (verdict.ok, verdict.pinned, verdict.kind) == (holds, True, "ledger entry"), one
    file.write_text(json.dumps(whole))
    assert verify_folder(file).index == proof.index
    assert not verify_folder(file, str(Signer("lua-crm.ledger/00000000", bytes(32)).verifier)).ok
    file.write_text("{}")
    with pytest.raises(UsageError):
        verify_folder(file)


def _at(body: bytes) -> str:
    return str(json.loads(body)["at"])
