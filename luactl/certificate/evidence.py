"""Signature and proof for a certificate, where this host can give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from ..db import Session
from ..errors import LuactlError
from .folder import Evidence

if TYPE_CHECKING:
    from ..ledger.note import Signer


@dataclass(frozen=True)
class Proven:
    """What makes a certificate complete, or why it is pending."""

    signer: Signer | None
    """The log's signer; None while pending."""
    evidence: Evidence | None
    """The entry and its proof; None while pending."""
    pending: str | None
    """Why there is neither; None when there are both."""


def prove(session: Session, entry_id: UUID) -> Proven:
    """Integrate the ledger and prove that it holds the entry which names a certificate.

    Never raises LuactlError: what is certified stands, and its certificate is pending.
    """
    from ..ledger import integrate
    from ..ledger.origin import own_signer

    try:
        signer = own_signer(session)
        integrate(session)
        return Proven(signer, _evidence(session, entry_id), None)
    except LuactlError as error:
        return Proven(None, None, error.what)
    except psycopg.errors.LockNotAvailable:
        return Proven(None, None, "the ledger is being integrated by somebody else")


def _evidence(session: Session, entry_id: UUID) -> Evidence:
    from ..ledger import prove as prove_entry
    from ..ledger.note import Verifier

    proof = prove_entry(session, entry_id)
    origin = Verifier.parse(proof.vkey).name
    return Evidence(proof.body, origin, proof.index, proof.size, proof.hashes, proof.checkpoint, proof.vkey)
