"""Whether what searches go by is what was signed: the columns of an entry against its body.

The database compares bytes (`verify_tiles` in ledger.sql, as the table's own CHECK does); what differs there
is looked at here field by field.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from .entry import time_of, time_text
from .merkle import leaf_hash
from .report import Report

_COLUMNS = ("body", "actor", "tenant_id", "subject", "touched", "action", "object", "outcome")


def check_entry(
    report: Report, index: int | None, id_: UUID, at: Any, hash_: bytes, columns: Sequence[Any]
) -> None:
    """Compare one entry with its leaf hash and its columns with its body; `index` is None while it waits."""
    body = columns[0]
    if body is None:
        report.add("the entry is gone", index, id_)
    elif leaf_hash(body) != hash_:
        when = "while it waited" if index is None else "after it was signed"
        report.add(f"the entry was changed {when}", index, id_)
    else:
        wrong = _differences(id_, at, dict(zip(_COLUMNS, columns, strict=True)))
        if wrong:
            report.add(f"what searches see differs from what was signed: {', '.join(wrong)}", index, id_)


def _differences(id_: UUID, at: Any, columns: dict[str, Any]) -> list[str]:
    """Name the fields of the body that its columns contradict."""
    subject, touched = columns["subject"], columns["touched"]
    try:
        body = json.loads(columns["body"])
        said_touched = body["detail"]["references"] if body["action"] == "read" else None
        said = [
            ("id", body["id"], str(id_)),
            ("at", body["at"], time_text(at)),
            ("time of id", time_of(id_), at),
            ("actor", body["actor"], columns["actor"]),
            ("tenant", body["tenant"], columns["tenant_id"]),
            ("subject", body["subject"], None if subject is None else str(subject)),
            ("references", said_touched, None if touched is None else [str(t) for t in touched]),
            ("action", body["action"], columns["action"]),
            ("object", body["object"], columns["object"]),
            ("outcome", body["outcome"], columns["outcome"]),
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["not an entry"]
    return [name for name, signed, seen in said if signed != seen]
