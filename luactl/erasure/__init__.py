"""Erasure of people (Art. 17 GDPR): keys and rows go, what a duty binds stays hidden.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .admission import DRIFT_ROWS, DRIFT_SHARE, Saved, again, read_saved
    from .checking import Check, Verification, verify
    from .course import Course, course_of
    from .handing import certificate, write_markdown, write_pdf, write_zip
    from .naming import Named, from_file
    from .onrecord import KeptPlan, ask, keep, kept, withdraw
    from .planning import Dropping, ErasurePlan, Going, Held, Staying, everybody, plan
    from .reach import ahead
    from .record import Erasure, Unfinished, begun, find, list_, unfinished
    from .replaying import Replayed, replay
    from .requested import plan_again, plan_request
    from .restored import Period, Returned, returned
    from .running import ErasureResult, resume, run
    from .standing import OPEN, STATES, Drift, Preview, Queue, Queued, chosen, plan_of, preview, queue
    from .waited import waiting

__all__ = [
    "DRIFT_ROWS",
    "DRIFT_SHARE",
    "OPEN",
    "STATES",
    "Check",
    "Course",
    "Drift",
    "Dropping",
    "Erasure",
    "ErasurePlan",
    "ErasureResult",
    "Going",
    "Held",
    "KeptPlan",
    "Named",
    "Period",
    "Preview",
    "Queue",
    "Queued",
    "Replayed",
    "Returned",
    "Saved",
    "Staying",
    "Unfinished",
    "Verification",
    "again",
    "ahead",
    "ask",
    "begun",
    "certificate",
    "chosen",
    "course_of",
    "everybody",
    "find",
    "from_file",
    "keep",
    "kept",
    "list_",
    "plan",
    "plan_again",
    "plan_of",
    "plan_request",
    "preview",
    "queue",
    "read_saved",
    "replay",
    "resume",
    "returned",
    "run",
    "unfinished",
    "verify",
    "waiting",
    "withdraw",
    "write_markdown",
    "write_pdf",
    "write_zip",
]

__getattr__ = attributes(
    __name__,
    {
        "admission": "DRIFT_ROWS DRIFT_SHARE Saved again read_saved",
        "reach": "ahead",
        "checking": "Check Verification verify",
        "course": "Course course_of",
        "handing": "certificate write_markdown write_pdf write_zip",
        "naming": "Named from_file",
        "onrecord": "KeptPlan ask keep kept withdraw",
        "planning": "Dropping ErasurePlan Going Held Staying everybody plan",
        "standing": "OPEN STATES Drift Preview Queue Queued chosen plan_of preview queue",
        "record": "Erasure Unfinished begun find list_ unfinished",
        "replaying": "Replayed replay",
        "requested": "plan_again plan_request",
        "restored": "Period Returned returned",
        "running": "ErasureResult resume run",
        "waited": "waiting",
    },
)
