"""Access: who reaches what, how, and what would end it. Read from the catalog; nothing is changed."""

from __future__ import annotations

from .house import Reach, list_

__all__ = ["Reach", "list_"]
