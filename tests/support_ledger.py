"""What the tests of the ledger share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def vectors(path: str) -> Path:
    """Return a published vector, or skip the test: the files are not part of this repository."""
    base = os.environ.get("LUACTL_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data"
    found = Path(base, "vectors", path)
    if not found.exists():
        pytest.skip(f"no {found}: set LUACTL_SHARED_DATA to the folder of the published vectors")
    return found
