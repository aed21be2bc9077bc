"""Where bytes of a log file lie, and how they are kept: compressed, under the key of their month."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ...key import PeriodKey
from ...key.block import seal_block, unseal_block


@dataclass(frozen=True)
class Block:
    """A piece of a file."""

    source_id: UUID
    file_no: int
    place: int
    until: int
    """After the last byte."""

    @property
    def address(self) -> bytes:
        """What its seal is bound to."""
        return f"luactl/1|log|{self.source_id}|{self.file_no}|{self.place}|{self.until}".encode()

    def seal(self, data: bytes, period: PeriodKey) -> bytes:
        """Return the frame that keeps these bytes."""
        return seal_block(zlib.compress(data, 1), self.address, period)

    def unseal(self, frame: bytes, period: PeriodKey) -> bytes:
        """Return the bytes of a frame. Raises SealError when it does not open."""
        return zlib.decompress(unseal_block(frame, self.address, period))


def month(at: datetime) -> int:
    """Return the number of a period: yyyymm."""
    return at.year * 100 + at.month
