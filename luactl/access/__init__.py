"""Access: who reaches what, how, and what would end it. Read from the catalog; nothing is changed."""

from __future__ import annotations

from .directory import Entrant, Object, logins, objects
from .effective import Access, Loss, explain, what, who
from .house import Reach, list_

__all__ = [
    "Access", "Entrant", "Loss", "Object", "Reach", "explain", "list_", "logins", "objects", "what", "who",
]  # fmt: skip
