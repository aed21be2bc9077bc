"""What the tests of approvals share: approvers with keys, a request in a line, and one run to be killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from luactl import approval
from luactl.approval import Approval, ApprovalNeededError, Granted, Want
from luactl.config import Paths
from luactl.db import Session
from luactl.ledger.note import Signer

WANT = Want(
    action="erasure.run",
    target="erasure smile 5f3c",
    summary="Erase 12 people of smile",
    exact={"plan": "5f3c", "instruction": "ticket 4711"},
    counts={"crm.contact": 12, "crm.interaction": 1_000},
    tenant="smile",
    subjects=12,
)


@dataclass(frozen=True)
class Approver:
    """Somebody with a login, a role and a registered key."""

    session: Session
    signer: Signer
    file: Path

    def grant(self, request: UUID) -> Approval:
        return approval.answer(self.session, request, self.signer, granted=True)

    def deny(self, request: UUID) -> Approval:
        return approval.answer(self.session, request, self.signer, granted=False)


def key(folder: Path, name: str) -> tuple[Signer, Path]:
    """Make a key in a file of its own."""
    file = folder / f"{name}.key"
    approval.make(file, name)
    return approval.load(file), file


def own(session: Session, paths: Paths, name: str) -> None:
    """Register a key of this very login, where every face looks for it."""
    approval.register(session, approval.make(paths.approver_key, name).vkey, name, [session.actor])


def approver(
    registrar: Session, login: Callable[..., Session], folder: Path, *roles: str, name: str = "anna.berg"
) -> Approver:
    """Open a login with these roles, and register a key for it."""
    session = login(*roles)
    signer, file = key(folder, name)
    approval.register(registrar, str(signer.verifier), name, [session.actor])
    return Approver(session, signer, file)


def outsider(registrar: Session, folder: Path, name: str = "kanzlei.hell") -> Signer:
    """Register a key that belongs to no login."""
    signer, _file = key(folder, name)
    approval.register(registrar, str(signer.verifier), name, [])
    return signer


def ask(session: Session, want: Want = WANT) -> UUID:
    """Demand approval that is not there; return the id of the request."""
    with pytest.raises(ApprovalNeededError) as refusal:
        approval.demand(session, want)
    return refusal.value.approval_id


def changed(**fields: Any) -> Want:
    return replace(WANT, **fields)


def granted(session: Session, want: Want = WANT) -> Granted:
    """Demand approval that is there."""
    found = approval.demand(session, want)
    assert found is not None
    return found
