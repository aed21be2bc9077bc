"""Inclusion proofs as files (C2SP tlog-proof): index, hashes and the signed checkpoint in one text. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile("index (0|[1-9][0-9]{0,18})")
_HASH = re.compile("[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True)
class LogProof:
    """That an entry stands at `index` of the tree under a checkpoint (a signed note)."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str


def to_text(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Return the tlog-proof of an entry."""
    lines = [HEADER, f"index {index}", *(base64.b64encode(one).decode() for one in hashes), "", checkpoint]
    return "\n".join(lines)


def parse(text: str) -> LogProof:
    """Read a tlog-proof without extra data. Raises ValueError when it is malformed."""
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    match = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if not gap or lines[0] != HEADER or match is None:
        raise ValueError("not a tlog-proof")
    if not all(_HASH.fullmatch(line) for line in lines[2:]):
        raise ValueError("a hash of the tlog-proof is malformed")
    return LogProof(int(match[1]), tuple(base64.b64decode(line) for line in lines[2:]), checkpoint)
