"""One file of an export while it is written: JSON Lines, hashed on the way, durable at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

_write = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=lambda value: plain(value)
).encode


def plain(value: Any) -> str:
    """Return a value that JSON has no form for as text: instants in RFC 3339, UTC; amounts exact.

    Raises TypeError for anything else.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"an export has no form for a {type(value).__name__}")


class Sheet:
    """A new file of mode 0600 that takes one JSON object a line."""

    def __init__(self, path: Path) -> None:
        """Create the file. Raises OSError, FileExistsError when it is there."""
        self.path = path
        self.rows = 0
        self.bytes = 0
        self._digest = sha256()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb", buffering=1 << 20)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one row. Raises OSError."""
        line = _write(row).encode() + b"\n"
        self._digest.update(line)
        self._file.write(line)
        self.rows += 1
        self.bytes += len(line)

    @property
    def sha256(self) -> str:
        """Digest of what was written so far, in hex."""
        return self._digest.hexdigest()

    def __enter__(self) -> Sheet:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; on success what was written has reached the disk. Raises OSError."""
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
