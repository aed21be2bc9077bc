"""What a certificate says of the request that it answers, and whether that can be true. Pure.

Facts hold texts, true, false and null: they have one canonical form.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from ..clock import instant
from .record import RECEIVERS, Request
from .term import EXTENDED, MONTHS, day_of, end, over_at

ARTICLES = {"erasure": "Art. 17 GDPR"}
"""By right: a certificate answers these."""
MOST_HOLIDAYS = 10
"""By how many days weekends and holidays can move an end."""


def facts(asked: Request, answered_at: datetime) -> dict[str, Any]:
    """Return what is stated of a request that is answered at an instant; nothing leads to the person."""
    return {
        "id": str(asked.request_id),
        "right": asked.right,
        "article": ARTICLES[asked.right],
        "received_at": instant(asked.received_at),
        "received_by": asked.received_by,
        "handed_on_at": None if asked.handed_on_at is None else instant(asked.handed_on_at),
        "extended": asked.state == "extended",
        "due_on": asked.due_on.isoformat(),
        "answered_at": instant(answered_at),
        "in_time": answered_at < over_at(asked.due_on),
    }


def problems(stated: Any, completed_at: Any) -> list[str]:
    """Return what is wrong with such facts, which come from a file: form, calendar, and the act's own end."""
    try:
        request_id, right = UUID(stated["id"]), stated["right"]
        received, answered = (_moment(stated[one]) for one in ("received_at", "answered_at"))
        due, extended, in_time = date.fromisoformat(stated["due_on"]), stated["extended"], stated["in_time"]
        earliest = end(day_of(received), EXTENDED if extended else MONTHS)
        known = stated["received_by"] in RECEIVERS and ARTICLES.get(right) == stated["article"]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return ["says nothing that could be read of the request that it carries out"]
    wrong = []
    if not known:
        wrong.append(f"request {request_id} asks for nothing that this certificate answers")
    if not 0 <= (due - earliest).days <= MOST_HOLIDAYS:
        wrong.append(f"request {request_id} was due on {earliest} by the calendar, not on {due}")
    if stated["answered_at"] != completed_at:
        wrong.append(f"request {request_id} is answered at another time than the act was completed")
    if (answered < over_at(due)) is not in_time or answered < received:
        wrong.append(f"request {request_id} was not answered when it says")
    return wrong


def _moment(text: Any) -> datetime:
    """Read an instant. Raises ValueError for one without its offset, TypeError for what is no text."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("has no offset")
    return found
