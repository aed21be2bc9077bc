"""What identifies a plan: people asked for, scope, rules, instruction, request; not counts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from ..certificate import canonical

if TYPE_CHECKING:
    from ..retention.rule import Rule


def plan_digest(
    tenant_id: int,
    scope: str,
    subjects: Sequence[UUID],
    rules: Sequence[Rule],
    instruction: str,
    request: UUID | None = None,
) -> str:
    """Return SHA-256 in hex over canonical JSON; `subjects` are in the order of ids (docs/design/erasure.md).

    Two plans of one digest do the same to the same people on the same ground; how many rows there are may
    have changed in between.
    """
    people = sha256(b"".join(one.bytes for one in subjects)).hexdigest()
    stated = {
        "v": 1,
        "tenant": tenant_id,
        "scope": scope,
        "people": len(subjects),
        "subjects": people,
        "rules": [
            [one.retention_class, one.starting_point, one.months, one.minimum_months, one.basis]
            for one in sorted(rules, key=lambda one: one.retention_class)
        ],
        "instruction": instruction,
    }
    if request is not None:
        stated["request"] = str(request)
    return sha256(canonical(stated)).hexdigest()
