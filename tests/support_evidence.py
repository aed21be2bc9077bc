"""What the tests of evidence share: two sources with lines, entries, and a lockbox of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from luactl import ledger, log
from luactl.certificate import manifest as man
from luactl.db import Session, transaction
from luactl.ledger import Entry
from luactl.ledger.note import Signer
from luactl.log import evidence
from luactl.log.ingest.reading import bring
from luactl.log.ingest.source import NewSource, Source, add_source
from luactl.verify import Verdict, verify_folder

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAIL = "mia@example.com"
PERSON = UUID("0f1e2d3c-0000-4000-8000-00000000000a")
"""A ledger reference that a line of the CRM carries."""
OTHER = Signer("log.example", bytes(32))
PREFIX = "%m [%p] "


def crm_line(second: float, **said: object) -> bytes:
    at = (NOW + timedelta(seconds=second)).isoformat()
    return json.dumps({"at": at, "action": "contact.read", "actor": "crm", **said}).encode() + b"\n"


def pg_line(second: float, text: str) -> bytes:
    at = (NOW + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{at} UTC [7] {text}\n".encode()


CRM = (
    crm_line(1, message=f"mail to '{MAIL}'", subject=str(PERSON)),
    b"\xff nonsense\n",
    crm_line(4, message="third", tenant="nobody"),
)
DB = (
    pg_line(1, "LOG:  connection received"),
    pg_line(2, f'ERROR:  duplicate key\n\tDETAIL of "{MAIL}"'),
    pg_line(2, "LOG:  one that was written later in the same millisecond"),
    pg_line(2, "LOG:  and one after that"),
    pg_line(3600 * 24 * 40, "LOG:  in April"),
)


def sources(session: Session, folder: Path) -> tuple[Source, Source]:
    """Bring in lines of the CRM, some of which no format explains, and of a server over two months."""
    (folder / "crm.log").write_bytes(b"".join(CRM))
    (folder / "db.log").write_bytes(b"".join(DB))
    made = (
        add_source(session, NewSource("crm", "jsonl", f"{folder}/crm.log", "here")),
        add_source(session, NewSource("db", "stderr", f"{folder}/db.log", "there", line_prefix=PREFIX)),
    )
    for source in made:
        bring(session, source)
    return made


def entries(session: Session, *actions: str) -> None:
    """Write entries of the ledger, at the time of the lines."""
    with transaction(session):
        ledger.append_all(session, [Entry(action, 7, purpose="überall", object="x:1") for action in actions])


def at(session: Session, seconds: float) -> Session:
    """The same session at that time after the first line."""
    from luactl.clock import FixedClock

    return replace(session, clock=FixedClock(NOW + timedelta(seconds=seconds)))


def asked(session: Session, text: str = "since:2026-03-01", **more: Any) -> evidence.Order:
    """What somebody types, in May."""
    may = at(session, 3600 * 24 * 70)
    query = log.question(may, [text])
    return evidence.order(may, "INC-7", "breach", text, query, **more)


def collected(
    session: Session, folder: Path, text: str = "since:2026-03-01", **more: Any
) -> evidence.Lockbox:
    """Collect what somebody types, in May."""
    may = at(session, 3600 * 24 * 70)
    return evidence.collect(may, asked(session, text, **more), folder)


def lines(box: Path, name: str = "lines.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (box / name).read_text().splitlines()]


def facts(box: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((box / "certificate.json").read_bytes())
    return found


def told(found: Verdict) -> list[str]:
    return [f"{one.file} {one.what}" for one in found.findings]


def check(box: Path, **options: Any) -> list[str]:
    """Check a lockbox; return what is wrong with it."""
    return told(verify_folder(box, **options))


def copied(box: Path, folder: Path) -> Path:
    shutil.copytree(box, folder / "copy")
    return folder / "copy"


def rewrite(path: Path, *rows: Any) -> None:
    """Write JSON lines as a lockbox has them."""
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    path.write_text(text)


def resigned(box: Path, signer: Signer) -> None:
    """Do all that a forger can who has no key of the log: the manifest fits again, and so does all that hangs
    on digests alone.
    """
    from hashlib import sha256

    stated = facts(box)
    for one in stated["files"]:
        one["sha256"] = sha256((box / one["name"]).read_bytes()).hexdigest()
    (box / "certificate.json").write_bytes(man.canonical(stated))
    document = json.loads((box / "manifest.json").read_bytes())
    for name in document["files"]:
        document["files"][name] = sha256((box / name).read_bytes()).hexdigest()
    data = man.canonical(document)
    (box / "manifest.json").write_bytes(data)
    (box / "manifest.sig").write_text(signer.sign(man.signed_text(data)))
    (box / "sha256sums.txt").write_bytes(man.sums(data, document["files"]))
