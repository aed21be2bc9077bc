"""certificate.md of a lockbox: what it holds, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...certificate.markdown import table
from .facts import FORMAT

HOW_TO_READ = (
    "`lines.jsonl` is the merged timeline: one JSON object a line, oldest first, times in UTC as their "
    "source wrote them; clocks are not corrected, what is known of them stands above. `raw-N.log` holds the "
    "bytes of one source as it wrote them, record after record in the order of the timeline; `raw` of each "
    "line says where. `proofs.jsonl` has the signed bytes of each entry of the ledger and its proof under "
    "`checkpoint.txt`. `gaps.jsonl` lists spans in which a source may have said what is not here.",
    "`sha256sum -c sha256sums.txt` checks every file with nothing but coreutils; `luactl verify` checks "
    "signature, proofs and custody log besides, without a database.",
)


def document(stated: Mapping[str, Any]) -> str:
    """Return the document of what certificate.json states; the same for the same facts."""
    return "\n".join([
        "# Lockbox: lines of the log", "", *_head(stated), "## Sources", "", *_sources(stated["sources"]),
        "## What is not here", "", *_missing(stated), "## Files", "", *_files(stated["files"]),
        "## How to read it", "", *HOW_TO_READ, "",
        "The bytes in `raw-N.log` may hold personal data in clear. Keep the folder where only those come who "
        "may read them, and write each hand-over into the custody log (`luactl log custody add`).", "",
    ])  # fmt: skip


def _head(stated: Mapping[str, Any]) -> list[str]:
    query, clock = stated["query"], stated["server_clock"]
    rows = [
        ("Lockbox", f"{stated['id']} ({FORMAT})"),
        ("Case", stated["case"]),
        ("Purpose", stated["purpose"]),
        ("Collected by", f"{stated['made_by']} on {stated['host']}"),
        ("Collected", stated["made_at"]),
        ("Question as typed", query["typed"] or "(everything)"),
        ("As understood", query["resolved"]),
        ("Span", f"{query['since'] or 'the first line'} up to {query['until']} (UTC)"),
        ("Found", f"{stated['first_at'] or '–'} to {stated['last_at'] or '–'}"),
        ("Entries of the ledger", f"{stated['entries']}, of these {stated['unproved']} without a proof"),
        (
            "Lines of servers and services",
            f"{stated['lines']}, of these {stated['raw']} as they were written",
        ),
        (
            "Server's clock",
            f"{clock['ahead_ms']} ms ahead of {stated['host']}, within {clock['within_ms']} ms",
        ),
        ("Written by", f"luactl {stated['luactl']}, schema {stated['schema']}"),
    ]
    return table(("", ""), rows)


def _sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (one["name"], one["host"], one["format"], one["time_zone"], _clock(one), one["newest_at"] or "–",
         one["lines"], one["raw"] or "–")
        for one in sources
    ]  # fmt: skip
    head = ("Source", "Host", "Format", "Time zone", "Clock against UTC", "Newest line", "Lines", "Bytes")
    return table(head, rows) if rows else ["No source of lines was registered.", ""]


def _clock(source: Mapping[str, Any]) -> str:
    ahead = source["clock_ahead_ms"]
    return "never compared" if ahead is None else f"{ahead:+} ms ahead ({source['clock_compared_at']})"


def _missing(stated: Mapping[str, Any]) -> list[str]:
    rows = [
        (one["source"], one["since"], one["until"], one["lines"], one["reason"]) for one in stated["missing"]
    ]
    lines = ["The bytes of no line are missing.", ""]
    if rows:
        lines = ["The bytes of these lines, of which the normalised form is here:", ""]
        lines += table(("Source", "From", "To", "Lines", "Why"), rows)
    if stated["gaps"]:
        lines += [
            f"{stated['gaps']} spans without lines touch the time asked for (`gaps.jsonl`). Within them, "
            "that nothing was found says nothing.", "",
        ]  # fmt: skip
    else:
        lines += ["No gap is known that touches the time asked for.", ""]
    return lines


def _files(files: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(one["name"], one["rows"], one["bytes"], one["sha256"]) for one in files]
    return table(("File", "Rows", "Bytes", "SHA-256"), rows)
