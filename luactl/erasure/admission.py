"""What must hold before a plan is carried out: a plan that was saved still says what happens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from ..approval.document import Bound
from ..errors import RefusedError, UsageError
from .category import checked
from .planning import WHOLE, ErasurePlan

DRIFT_ROWS = 100
DRIFT_SHARE = 10
"""Per cent. Rows of a table may have become more or fewer since by either of the two, whichever is more."""
LARGEST = 256 << 20


@dataclass(frozen=True)
class Saved:
    """A plan as a file keeps it."""

    tenant: str
    """Slug."""
    scope: str
    subjects: tuple[UUID, ...]
    instruction: str
    digest: str
    going: dict[str, int]
    """Rows by table."""
    request: UUID | None = None
    """The request that it carries out."""


def read_saved(path: Path) -> Saved:
    """Read what `luactl erasure plan -o json` printed. Raises UsageError for anything else."""
    hint = "save one with `luactl erasure plan … -o json > FILE`"
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        document = json.loads(data.decode("utf-8")) if len(data) <= LARGEST else None
    except OSError as error:
        raise UsageError(f"the plan cannot be read: {error.strerror}", hint=hint) from error
    except (ValueError, RecursionError):
        document = None
    plan = document.get("data") if isinstance(document, dict) else None
    try:
        return _saved(plan)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError):
        raise UsageError("the file holds no plan of an erasure", hint=hint) from None


def _saved(plan: Any) -> Saved:
    if plan["scope"] not in WHOLE:
        checked(plan["scope"])
    return Saved(
        tenant=str(plan["tenant"]),
        scope=plan["scope"],
        subjects=tuple(UUID(one) for one in plan["subjects"]),
        instruction=str(plan["instruction"]),
        digest=str(plan["digest"]),
        going={str(one["table"]): int(one["rows"]) for one in plan["going"]},
        request=None if plan.get("request") is None else UUID(plan["request"]),
    )


def again(saved: Saved, now: ErasurePlan) -> None:
    """Compare a saved plan with the plan as it is now. Raises RefusedError when they are not the same.

    The digest binds people, scope, rules and instruction. Rows may have drifted, in each table by 100 or by a
    tenth of what was planned, whichever is more; what was cut short has fewer, and is finished.
    """
    if saved.digest != now.digest:
        raise RefusedError(
            "the saved plan is no longer what would be done: its people, rules or instruction changed",
            hint="make a new plan, and have it looked at again",
        )
    if now.state != "planned":
        return
    bound = Bound(DRIFT_ROWS, DRIFT_SHARE)
    for one in now.going:
        planned = saved.going.get(one.table, 0)
        if not bound.allows(planned, one.rows):
            raise RefusedError(
                f"{one.table} has {one.rows:,} rows of these people now, {planned:,} when it was planned",
                hint=f"up to {DRIFT_ROWS} rows or {DRIFT_SHARE} per cent may differ: make a new plan",
            )
