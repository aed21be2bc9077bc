"""What somebody asks for: which role, on which tenant, for how long, and why. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...line import checked

if TYPE_CHECKING:
    from ...approval import Request, Want

ACTION = "access.elevate"
BROKEN_GLASS = "access.elevate.break-glass"
_DURATION = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,4})m)?")


@dataclass(frozen=True)
class Order:
    """An elevation before it begins."""

    role: str
    """Group role, such as lua_operator."""
    tenant: str
    """Slug."""
    minutes: int
    """For how long."""
    reason: str
    """Why; no personal data."""
    breaks_glass: bool
    """Without approval, with an alarm."""


def minutes_of(text: str) -> int:
    """Return the minutes of a duration such as 2h, 90m or 1h30m. Raises UsageError."""
    found = _DURATION.fullmatch(text)
    minutes = int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0
    if not minutes:
        raise UsageError(f"{text!r} is no duration", hint="such as 2h, 90m or 1h30m")
    return minutes


def full_name(role: str) -> str:
    """Return the name of a group role that may have left out `lua_`."""
    return role if role.startswith("lua_") else f"lua_{role}"


def prepare(role: str, tenant: str, minutes: int, reason: str, *, breaks_glass: bool = False) -> Order:
    """Return an order; `role` may leave out `lua_`. Raises UsageError for a reason that is no line."""
    return Order(full_name(role), tenant, minutes, checked("reason", reason), breaks_glass)


def want(order: Order, actor: str) -> Want:
    """Return what somebody else is asked to approve."""
    from ...approval import Want, digest

    return Want(
        action=ACTION,
        target=f"elevation {digest(actor, order.role, order.tenant)}",
        summary=f"{order.role} on {order.tenant} for {order.minutes} minutes: {order.reason}",
        exact={
            "role": order.role,
            "tenant": order.tenant,
            "minutes": str(order.minutes),
            "reason": order.reason,
        },
        counts={},
        tenant=order.tenant,
    )


def order_of(request: Request) -> Order:
    """Return what a request for approval is about. Raises UsageError for one of another action."""
    said = request.exact
    if request.action != ACTION:
        raise UsageError(f"request {request.id} is about {request.action}, not about an elevation")
    return Order(said["role"], said["tenant"], int(said["minutes"]), said["reason"], False)
