"""Erasure of people (Art. 17 GDPR): keys and rows go, what a duty binds stays hidden.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .admission import DRIFT_ROWS, DRIFT_SHARE, Saved, again, read_saved
    from .checking import Check, Verification, verify
    from .handing import write_pdf, write_zip
    from .naming import Named, from_file
    from .planning import Dropping, ErasurePlan, Going, Held, Staying, everybody, plan
    from .record import Erasure, Unfinished, begun, find, list_, unfinished
    from .replaying import Replayed, replay
    from .restored import Period, Returned, returned
    from .running import ErasureResult, resume, run
    from .waited import waiting

__all__ = [
    "DRIFT_ROWS",
    "DRIFT_SHARE",
    "Check",
    "Dropping",
    "Erasure",
    "ErasurePlan",
    "ErasureResult",
    "Going",
    "Held",
    "Named",
    "Period",
    "Replayed",
    "Returned",
    "Saved",
    "Staying",
    "Unfinished",
    "Verification",
    "again",
    "begun",
    "everybody",
    "find",
    "from_file",
    "list_",
    "plan",
    "read_saved",
    "replay",
    "resume",
    "returned",
    "run",
    "unfinished",
    "verify",
    "waiting",
    "write_pdf",
    "write_zip",
]

__getattr__ = attributes(
    __name__,
    {
        "admission": "DRIFT_ROWS DRIFT_SHARE Saved again read_saved",
        "checking": "Check Verification verify",
        "handing": "write_pdf write_zip",
        "naming": "Named from_file",
        "planning": "Dropping ErasurePlan Going Held Staying everybody plan",
        "record": "Erasure Unfinished begun find list_ unfinished",
        "replaying": "Replayed replay",
        "restored": "Period Returned returned",
        "running": "ErasureResult resume run",
        "waited": "waiting",
    },
)
