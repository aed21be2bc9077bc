"""Rules and keys of approvals: who sets and who registers them, and what their files are like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support_approval import WANT, key

from luactl import approval
from luactl.db import Session
from luactl.errors import NotFoundError, RefusedError, UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("role", ["lua_admin", "lua_operator", "lua_responder", "lua_auditor"])
def test_only_the_data_protection_officer_sets_rules(
    session: Session, login: Callable[..., Session], admin: psycopg.Connection[Any], role: str
) -> None:
    with pytest.raises(RefusedError, match="may not set rules"):
        approval.set_rule(login(role), "erasure.run", approvals=0)
    officer = login("lua_dpo")
    assert approval.set_rule(officer, "erasure.run", approvals=0, dry_run=True).after.approvals == 0
    assert approval.rule_of(session, "erasure.run").approvals == 1
    change = approval.set_rule(officer, "erasure.run", approvals=0, roles=["outside"])
    assert (change.before.approvals, change.after.approvals, change.after.set_by) == (1, 0, officer.actor)
    assert approval.demand(session, WANT) is None
    body = admin.execute("SELECT body FROM ledger.entry WHERE action = 'approval.rule-set'").fetchone()
    assert body is not None
    assert json.loads(body[0])["detail"]["approvals"] == {"before": 1, "after": 0}


def test_a_rule_has_bounds(session: Session) -> None:
    with pytest.raises(UsageError, match="out of bounds"):
        approval.set_rule(session, "erasure.run", valid_hours=0)
    with pytest.raises(UsageError, match="known roles"):
        approval.set_rule(session, "erasure.run", roles=["postgres"])
    with pytest.raises(NotFoundError):
        approval.set_rule(session, "tea.make", approvals=1)


@pytest.mark.parametrize("role", ["lua_operator", "lua_responder", "lua_auditor", "lua_accounting"])
def test_who_registers_keys(
    session: Session, login: Callable[..., Session], tmp_path: Path, role: str
) -> None:
    signer, _file = key(tmp_path, "anna")
    with pytest.raises(RefusedError, match="may not change the register"):
        approval.register(login(role), str(signer.verifier), "Anna", ["anna"])
    made = approval.register(login("lua_admin"), str(signer.verifier), "Anna", ["anna"])
    assert approval.keys(session) == (made,)
    with pytest.raises(RefusedError, match="registered already"):
        approval.register(login("lua_dpo"), str(signer.verifier), "Anna", ["anna"])
    with pytest.raises(RefusedError):
        approval.revoke(login(role), str(signer.verifier))
    with pytest.raises(UsageError, match="no public key"):
        approval.register(session, "anna+1234+abcd", "Anna", ["anna"])


def test_a_key_file_is_for_ones_own_eyes(tmp_path: Path) -> None:
    signer, file = key(tmp_path, "anna")
    assert file.stat().st_mode & 0o777 == 0o600
    assert approval.load(file) == signer
    with pytest.raises(RefusedError, match="is there already"):
        approval.make(file, "anna")
    file.chmod(0o640)
    with pytest.raises(RefusedError, match="others may read"):
        approval.load(file)
    with pytest.raises(UsageError, match="no key name"):
        approval.make(tmp_path / "other", "anna berg")
    with pytest.raises(NotFoundError):
        approval.load(tmp_path / "nothing")
