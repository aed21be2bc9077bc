"""The certificate for people: the same facts as Markdown. Pure."""

from __future__ import annotations

from typing import Any

from ..approval.checking import said
from ..certificate.markdown import CLOSING, cell, table
from ..processor.certified import section as processors

_RETAINED = ("Table", "Year", "Rows", "Ground", "Until", "Readable by")
_KEYS = "Keys of the person that were destroyed:"
_PLACES = ("Place", "What", "Method", "Level", "State", "Ordered", "Effective", "Why")
_HOLDERS = ("Holder", "Old root", "Level", "Kept on", "Asked", "Effective")


def document(stated: dict[str, Any]) -> str:
    """Return certificate.md: the same facts, for people."""
    sections = (_head, _erased, _places, _holders_text, processors, _retained, _rest)
    parts = [section(stated) for section in sections]
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(stated: dict[str, Any]) -> list[str]:
    epoch, system = stated["epoch"], stated["system"]
    rows = [
        ("Erasure", stated["id"]),
        ("Method", stated["method"]),
        ("Tenant (controller)", stated["tenant"]["slug"]),
        _who(stated),
        ("Plan (SHA-256)", stated.get("plan") or "–"),
        ("Instruction", stated["instruction"]),
        *_request(stated.get("request")),
        ("Requested by", stated["requested_by"]),
        ("Approved by", said(stated.get("approval"))),
        ("Completed by", stated["completed_by"]),
        ("Started", stated["started_at"]),
        ("Completed", stated["completed_at"]),
        ("Database", f"{system['database']} of cluster {system['cluster']}"),
        ("Key tree", f"{system['tree']}, epoch {epoch['from']} → {epoch['to']}"),
    ]
    lines = [f"| {name} | {cell(value)} |" for name, value in rows]
    return ["# Certificate of erasure", "", "| | |", "|---|---|", *lines, ""]


def _request(stated: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return the rows about the request that it carries out; none without one."""
    if stated is None:
        return []
    extended = f", extended until {stated['due_on']}" if stated["extended"] else f" until {stated['due_on']}"
    late = "" if stated["in_time"] else ", late"
    handed_on = f", handed on {stated['handed_on_at']}" if stated["handed_on_at"] else ""
    return [
        ("Request of the person", f"{stated['id']}, right of {stated['right']} ({stated['article']})"),
        ("Received", f"{stated['received_at']} by the {stated['received_by']}{handed_on}"),
        ("Clock (Art. 12(3) GDPR)", f"one month{extended}; answered {stated['answered_at']}{late}"),
    ]


def _who(stated: dict[str, Any]) -> tuple[str, str]:
    if stated["subject"] is not None:
        return "Subject (pseudonym)", stated["subject"]
    people = stated["subjects"]
    others = f"; erased before: {people['erased_before']}; held: {people['held']}"
    return "People", f"{people['erased']}, listed in {people['list']}{others}"


def _erased(stated: dict[str, Any]) -> list[str]:
    rows = [(one["table"], one["rows_before"], one["rows_after"]) for one in stated["erased"]]
    keys = [f"- class {one['class']}, version {one['version']}" for one in stated["keys"]]
    keys = keys or [f"- class {name}: {count}" for name, count in stated.get("key_counts", {}).items()]
    return [
        "## What was erased",
        "",
        *table(("Table", "Rows before", "Rows after"), rows),
        "Keys of people that were destroyed:" if stated["subject"] is None else _KEYS,
        "",
        *(keys or ["- none: there were none left"]),
        "",
    ]


def _places(stated: dict[str, Any]) -> list[str]:
    rows = [
        (one["place"], one["what"], one["method"], one["level"], one["state"],
         one["scheduled_at"] or "–", one["effective_at"] or "–", one["why"])
        for one in stated.get("places", ())
    ]  # fmt: skip
    if not rows:
        return []  # from before certificates named places
    return ["## Places", "", *table(_PLACES, rows)]


def _holders_text(stated: dict[str, Any]) -> list[str]:
    rows = [
        (one["holder"], one["old_root"], one["level"], one["file_system"], one.get("scheduled_at"),
         one.get("effective_at"))
        for one in stated["holders"]
    ]  # fmt: skip
    return [
        "## The root secret",
        "",
        f"The root secret of epoch {stated['epoch']['from']}, below which those keys hung, at each holder:",
        "",
        *table(_HOLDERS, rows),
    ]


def _retained(stated: dict[str, Any]) -> list[str]:
    if not stated["retained"]:
        return ["## What remains by law", "", "Nothing.", ""]
    rows = [
        (one["table"], one["period"], f"{one['rows']} ({one['lines']} lines)", one["ground"],
         one["until"] or "no end", one["readable_by"])
        for one in stated["retained"]
    ]  # fmt: skip
    return ["## What remains by law", "", *table(_RETAINED, rows)]


def _rest(stated: dict[str, Any]) -> list[str]:
    checks = [f"- {one['check']}: {one['state']} ({cell(one['what'])})" for one in stated["verification"]]
    exposure = [f"- {text}" for text in stated["remaining_exposure"]]
    return ["## Verification", "", *checks, "", "## Remaining exposure", "", *exposure, "", CLOSING]
