"""One line of lines.jsonl, and one of proofs.jsonl: what stands in them, and where it comes from. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..line import Line
from .facts import text

FIELDS = (
    "at", "id", "actor", "on_behalf", "tenant", "subject", "action", "object", "purpose", "outcome",
    "session", "address", "detail", "kind", "source", "application", "severity", "code", "message",
)  # fmt: skip
"""The columns of `log search -o jsonl`, in its order."""
MORE = ("ingested_at", "file", "place", "raw", "missing", "index")
"""What a lockbox says of each line besides."""
FROM_BODY = (
    "actor", "on_behalf", "subject", "purpose", "action", "object", "outcome", "session", "address", "detail",
)  # fmt: skip
"""Columns of an entry that its signed bytes hold under the same names."""


def shown(line: Line) -> dict[str, Any]:
    """Return a line as `log search -o jsonl` shows it."""
    said = {name: getattr(line, name) for name in FIELDS}
    said["at"], said["id"] = text(line.at), str(line.id)
    said["subject"] = None if line.subject is None else str(line.subject)
    return said


def of_entry(line: Line, index: int | None) -> dict[str, Any]:
    """Return the line of an entry of the ledger."""
    return {**shown(line), **dict.fromkeys(MORE), "index": index}


def of_line(
    line: Line, ingested_at: datetime, file: str, place: int, raw: Mapping[str, Any] | None,
    missing: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the line of a server or service; `raw` says where its bytes are, `missing` why nowhere."""
    more = {"ingested_at": text(ingested_at), "file": file, "place": place, "raw": raw, "missing": missing}
    return {**shown(line), **dict.fromkeys(MORE), **more}


def proof_of(line: Line, body: bytes, index: int | None, hashes: Sequence[bytes] | None) -> dict[str, Any]:
    """Return the line of proofs.jsonl: the signed bytes, and the inclusion proof where there is one."""
    return {
        "id": str(line.id),
        "index": index,
        "body": body.decode(),
        "hashes": None if hashes is None else [base64.b64encode(one).decode() for one in hashes],
    }


def differing(said: Mapping[str, Any], body: bytes, tenants: Mapping[str, Any]) -> list[str]:
    """Name the columns of an entry that its signed bytes contradict; `tenants` gives slugs by number."""
    try:
        signed = json.loads(body)
        tenant = signed["tenant"]
        expected = {name: signed[name] for name in FROM_BODY} | {
            "id": signed["id"],
            "at": text(datetime.fromisoformat(signed["at"])),
            "tenant": tenants.get(str(tenant), str(tenant)) if tenant else None,
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["not an entry"]
    return [name for name, value in expected.items() if said.get(name) != value]
