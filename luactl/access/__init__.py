"""Access: who reaches what, how, and what would end it. Read from the catalog; nothing is changed."""

from __future__ import annotations

from .effective import Access, Loss, explain, what, who
from .house import Reach, list_

__all__ = ["Access", "Loss", "Reach", "explain", "list_", "what", "who"]
