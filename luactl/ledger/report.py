"""What a check of the ledger found: a bounded list of findings, and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from .fork import Branch

MOST_FINDINGS = 1_000


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was signed."""

    problem: str
    index: int | None = None
    """Place in the log, where there is one."""
    id: UUID | None = None
    """The entry, where it is one."""


@dataclass(frozen=True)
class Verification:
    """What a check looked at and found; `ok` means nothing was found."""

    ok: bool
    origin: str
    vkey: str
    size: int
    """Leaves whose entries were recomputed."""
    pending: int
    """Entries that no checkpoint covers yet: their owner can still change them."""
    checkpoints: int
    """Signed checkpoints compared, those of the anchors included."""
    anchors: tuple[str, ...]
    findings: tuple[Finding, ...]
    """The first 1,000."""
    found: int
    """How many there are in all."""
    lost: tuple[Branch, ...] = ()
    """Ends of the log that restores lost, as its own entries tell."""
    since: int = 0
    """Entries below were not read: a checkpoint kept elsewhere stands for them."""
    minimum: int = 0
    """Entries below were pruned; the roots of their subtrees were checked."""


@dataclass
class Report:
    """Collects findings, in bounded memory."""

    findings: list[Finding]
    found: int = 0
    checkpoints: int = 0
    size: int = 0
    pending: int = 0
    minimum: int = 0
    forks: dict[str, Branch] = field(default_factory=dict)

    def add(self, problem: str, index: int | None = None, id: UUID | None = None) -> None:
        """Keep one finding, or only its number when there are very many."""
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(problem, index, id))
