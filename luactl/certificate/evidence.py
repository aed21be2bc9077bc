"""Certificates with signature and proof, where this host can give them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from ..db import Session
from ..errors import LuactlError
from .folder import Act, Evidence, write

if TYPE_CHECKING:
    from ..ledger.note import Signer


def issue(session: Session, act: Act, entry_id: UUID, folder: Path) -> str | None:
    """Write the certificate of an act that this entry records, signed and proved where this host can.

    Returns why it is pending, None when it is complete: the act stands, and its certificate can be completed
    at any time. Raises what `write` raises.
    """
    signer, evidence, pending = None, None, None
    try:
        signer, evidence = proved(session, entry_id)
    except LuactlError as error:
        pending = error.what
    except psycopg.errors.LockNotAvailable:
        pending = "the ledger is being integrated by somebody else"
    except psycopg.errors.InsufficientPrivilege:
        pending = f"{session.actor} may not integrate the ledger"
    write(folder, act, session.clock.now(), session.actor, evidence, signer)
    session.step("certificate written")
    return pending


def proved(session: Session, entry_id: UUID) -> tuple[Signer, Evidence]:
    """Integrate the ledger, and prove that it holds the entry; returns who signs, too.

    Raises LuactlError, LockNotAvailable, InsufficientPrivilege.
    """
    from ..ledger import integrate, prove
    from ..ledger.note import Verifier
    from ..ledger.origin import own_signer

    signer = own_signer(session)
    integrate(session)
    proof = prove(session, entry_id)
    origin = Verifier.parse(proof.vkey).name
    evidence = Evidence(
        proof.body, origin, proof.index, proof.size, proof.hashes, proof.checkpoint, proof.vkey
    )
    return signer, evidence
