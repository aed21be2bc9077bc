"""Of the story of all commands: what only asks, and the log."""

from __future__ import annotations

from pathlib import Path

from support_story import Case, Rule, T, World, covering, rows
from support_story_evidence import COLLECTED


def log_file(w: World) -> Path:
    """A log of the CRM with one line."""
    file = w.folder / "crm.log"
    file.write_text(
        '{"at": "2026-03-01T12:00:00Z", "actor": "crm", "action": "contact.read", "message": "hello"}\n'
    )
    return file


def rule_file(w: World) -> Path:
    """A rule of the house."""
    file = w.folder / "own.yml"
    file.write_text(
        "title: Own\nid: 5c2b9d3e-6a0f-4b5e-9b6c-1f0b8d6f4a12\nname: own\n"
        "logsource: {product: luacrm, service: ledger}\ndetection: {a: {action: read}, condition: a}\n"
    )
    return file


ASKED: dict[str, tuple[Case, ...]] = {
    "version": (Case(), Case(lambda w: ("--all",))),
    "completion bash": (Case(),),
    "completion zsh": (Case(),),
    "completion fish": (Case(),),
    "completion words": (Case(lambda w: ("tenant", "show", "s")),),
    "doctor": (Case(),),
    "db status": (Case(),),
    "db url": (Case(),),
    "db sql-roles": (Case(),),
    "access list": (Case(), Case(lambda w: T)),
    "access who": (Case(lambda w: ("crm.contact",)),),
    "access what": (Case(lambda w: ("postgres",)),),
    "log search": (
        Case(lambda w: ("--limit", "1"), keep=lambda w, data: w.seen.update(entry=data[0]["id"])),
        Case(lambda w: (*T, "--subject", w.people["1"]), opens=lambda data: ["1"]),
        Case(lambda w: ("action:tenant.*", "--context", "2")),
    ),
    "log source add": (
        Case(
            lambda w: ("crm", "--format", "jsonl", "--path", str(log_file(w)), "--host", "here"),
            (Rule("lua.log_source", "insert", "log.source.add"),),
            covering(rows("lua.tenant_directory", "vault.node"), {("vault.counter", "update")}),
            again=5,
        ),
    ),
    "log source list": (Case(),),
    "log ingest": (
        Case(
            lambda w: ("crm",),
            (Rule("lua.log_line", "insert", "log.ingest"),),
            covering(
                rows("lua.log_file", "lua.log_block", "vault.period", "vault.node", "vault.counter"),
                {("lua.log_file", "update"), ("vault.counter", "update")},
            ),
        ),
    ),
    "log source clock": (
        Case(
            lambda w: ("crm", "--ahead", "0.35"),
            (Rule("lua.log_source", "update", "log.source.clock"),),
            anew=True,
        ),
    ),
    **COLLECTED,
    "log source end": (
        Case(lambda w: ("crm",), (Rule("lua.log_source", "update", "log.source.end"),), again=5),
    ),
    "log detect": (
        Case(
            rules=(Rule("lua.log_run", "insert", "log.detect"),),
            covers=covering(rows("lua.log_finding", "lua.log_sighting")),
            findings=lambda w: True,
            anew=True,
            keep=lambda w, data: w.seen.update(finding=data[0]["finding_id"]),
        ),
    ),
    "log finding list": (Case(),),
    "log alert list": (Case(),),
    "log alert send": (Case(),),
    "log finding show": (Case(lambda w: (w.seen["finding"],)),),
    "log rule list": (Case(),),
    "log rule show": (Case(lambda w: ("bulk-read",)),),
    "log rule check": (Case(lambda w: (str(rule_file(w)),)),),
    "log actor": (Case(lambda w: (w.login,)),),
    "subject timeline": (
        Case(lambda w: (w.people["1"], *T, "--purpose", "request"), opens=lambda data: ["1"]),
    ),
    "log note add": (
        Case(
            lambda w: (w.seen["entry"], "look here", "--case", "INC-7"),
            (Rule("lua.log_note", "insert", "log.note.add"),),
        ),
    ),
    "log note list": (Case(),),
    "log query list": (Case(),),
    "log query save": (
        Case(
            lambda w: ("night", "action:read* since:-1d"),
            (Rule("lua.log_query", "insert", "log.query.save"),),
            again=5,
        ),
    ),
    "log query remove": (
        Case(lambda w: ("night",), (Rule("lua.log_query", "delete", "log.query.remove"),), again=1),
    ),
    "log tail": (Case(), Case(lambda w: (*T, "--subject", w.people["2"]), opens=lambda data: ["2"])),
}
