"""Residue: where values that were deleted still lie readable, and what takes them away.

For tables that are not sealed or once were not. Owns `lua.sealed_since`. Works on the connection of a
database administrator, since it reads the server's files. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .since import SealedSince, sealed_since

__all__ = ["SealedSince", "sealed_since"]

__getattr__ = attributes(__name__, {"since": "SealedSince sealed_since"})
