"""Which probes there are: a name on a page, and the function that tries to break the promise.

A probe takes the session, the page and a `Look`, in which it leaves what it tried and saw. It changes nothing
that stays: it reads, or works in transactions that are rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..db import Session
    from .look import Look
    from .page import Page

    Probe = Callable[[Session, Page, Look], None]

PROBES = {
    "orphans": "records",
    "instructions": "duties",
    "rights": "rights",
    "users": "users",
    "authentication": "authentication",
    "transport": "transport",
    "credentials": "credentials",
    "isolation": "isolation",
    "dedicated": "isolation",
    "ledger": "memory",
    "staff": "people",
    "undertakings": "people",
    "policies": "people",
    "erasures": "duties",
    "retention": "duties",
    "reviews": "reviewing",
    "contact": "duties",
}
"""Name of each probe, and the module beside this one whose function of that name it is."""


def load(name: str) -> Probe:
    """Return the function of a probe. Raises KeyError for an unknown name."""
    found: Probe = getattr(import_module(f"{__package__}.{PROBES[name]}"), name)
    return found
