"""What goes with the data: the tenant's register as data, and the receipt for people and programs.

Facts hold texts, integers, true, false, null, and lists and mappings of these: they have one canonical form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import instruction, tenant
from ..certificate.markdown import cell
from ..clock import instant
from ..db import Session, queries, transaction
from ..retention.register import read as read_rules
from . import secrets

if TYPE_CHECKING:
    from ..tenant import Tenant
    from .exporting import File

FORMAT = "luactl/portable/1"
NOT_INCLUDED = (
    "The record of who read or changed the data: it is the operator's log, which names its staff. "
    "`luactl log search --tenant` answers questions about it.",
    "The register of requests of data subjects: "
    "`luactl request list --tenant --closed` and `request show` print it.",
    "What was erased or purged before: nobody can read it any more.",
)
HOW_TO_READ = (
    "Each `.jsonl` file holds one JSON object a line, in UTF-8. Instants are RFC 3339 in UTC, amounts are "
    "exact decimals written as text. `subject_id` joins the files; `subjects.jsonl` names everybody, erased "
    "people by their id alone. `luactl tenant import-data` takes the folder in again.",
)


def register(session: Session, tenant_: Tenant) -> dict[str, Any]:
    """Return tenant.json: the register's row with roles, deletion rules and instructions."""
    with transaction(session, tenant_.tenant_id) as conn:
        roles = list(queries("tenant").roles(conn, tenant_id=tenant_.tenant_id))
        rules = read_rules(conn, tenant_.tenant_id)
        orders = instruction.read(session, tenant_.tenant_id)
    now = tenant.find(session, tenant_.slug)
    return {
        "format": FORMAT,
        "slug": now.slug,
        "name": now.name,
        "country": now.country,
        "contact": now.contact,
        "isolation": now.isolation,
        "status": now.status,
        "created_at": now.created_at,
        "roles": [{"role": role, "permissions": list(some)} for role, some in roles],
        "rules": [{"class": rule.retention_class, "months": rule.months} for rule in rules],
        "instructions": [
            {
                "reference": one.reference,
                "purpose": one.purpose,
                "given_by": one.given_by,
                "valid_from": one.valid_from,
                "valid_until": one.valid_until,
            }
            for one in orders
        ],
    }


def facts(
    session: Session,
    tenant_: Tenant,
    export_id: UUID,
    purpose: str,
    files: Sequence[File],
    said: dict[str, Any],
) -> dict[str, Any]:
    """Return certificate.json as a mapping; `said` is about secrets."""
    return {
        "v": 1,
        "kind": "export",
        "id": str(export_id),
        "format": FORMAT,
        "tenant": {"id": tenant_.tenant_id, "slug": tenant_.slug, "name": tenant_.name},
        "purpose": purpose,
        "made_by": session.actor,
        "made_at": instant(session.clock.now()),
        "files": [
            {"name": file.name, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
            for file in files
        ],
        "secrets": said,
        "not_included": list(NOT_INCLUDED),
    }


def document(stated: dict[str, Any]) -> str:
    """Return certificate.md: the receipt, for people."""
    rows = [
        f"| {one['name']} | {one['rows']} | {one['bytes']} | `{one['sha256']}` |" for one in stated["files"]
    ]
    head = [
        ("Export", stated["id"]),
        ("Tenant (controller)", cell(stated["tenant"]["name"])),
        ("Purpose", cell(stated["purpose"])),
        ("Made by", cell(stated["made_by"])),
        ("Made", stated["made_at"]),
    ]
    return "\n".join(
        [
            "# Receipt: data of a tenant",
            "",
            "All data that are kept for the tenant, in a portable form (Art. 28(3)(g) GDPR).",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in head),
            "",
            "## Files",
            "",
            "| File | Rows | Bytes | SHA-256 |",
            "|---|---|---|---|",
            *rows,
            "",
            *HOW_TO_READ,
            "",
            "## Credentials and API tokens",
            "",
            *(f"- {text}" for text in secrets.texts(stated["secrets"])),
            "",
            "## Not included",
            "",
            *(f"- {text}" for text in stated["not_included"]),
            "",
            "These files hold personal data in clear. Keep them where only those may come who may read them.",
            "",
        ]
    )
