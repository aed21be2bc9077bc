"""`luactl doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from luactl.errors import Exit

from .app import lone
from .context import is_json, settings
from .diagnostics import note
from .output import show

HELP = "What is wrong with this installation, and how to mend it."
app = lone(HELP)

COLUMNS = (("check", "CHECK"), ("state", "STATE"), ("what", "WHAT"), ("hint", "HINT"))


@app.command("doctor")
def doctor() -> None:
    """Check config, files, disks, server, TLS, clock, schema, rights, keys, ledger and unfinished work.

    Changes nothing. Exit code 6 says that something was found; each finding says how to mend it.

    Examples:
        luactl doctor
        luactl doctor -o json -q
    """
    from luactl.doctor import examine

    report = examine(settings().profile, say=note)
    skipped = sum(one.state == "skipped" for one in report.checks)
    notes = [f"{report.findings} findings" if report.findings else "nothing is wrong"]
    if skipped:
        notes.append(f"{skipped} checks could not be made")
    outcome = Exit.FINDINGS if report.findings else Exit.DONE
    show(report if is_json() else report.checks, COLUMNS, notes, outcome=outcome)
