"""Ledger: what was done and who saw what, proved by a transparency log (docs/reference/formats-ledger.md)."""

from .entry import Entry, append, append_all, new_id, record_read
from .integrate import IntegrationPlan, integrate, plan_integration
from .note import Checkpoint
from .origin import Origin, create_origin
from .proof import Proof, Shown, check, prove, show
from .reference import open_detail, references, seal_reference, sealed_detail
from .signed import SignedCheckpoint, newest_checkpoint, write_checkpoint
from .status import Status, sees_all, status, waiting
from .verify import Finding, Verification, verify

__all__ = [
    "Checkpoint",
    "Entry",
    "Finding",
    "IntegrationPlan",
    "Origin",
    "Proof",
    "Shown",
    "SignedCheckpoint",
    "Status",
    "Verification",
    "append",
    "append_all",
    "check",
    "create_origin",
    "integrate",
    "new_id",
    "newest_checkpoint",
    "open_detail",
    "plan_integration",
    "prove",
    "record_read",
    "references",
    "seal_reference",
    "sealed_detail",
    "sees_all",
    "show",
    "status",
    "verify",
    "waiting",
    "write_checkpoint",
]
