"""What a certificate of erasure says of every place, of many people, as .zip and as PDF."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import KILLED, erase, person, practice, run_killed
from test_erasure_many import crowd

from luactl import erasure
from luactl.certificate import archive
from luactl.certificate.pdf import measure, to_pdf, wrap
from luactl.db import Session
from luactl.erasure.people import listed
from luactl.erasure.places import CE, NO_LEVEL, Facts, places
from luactl.errors import RefusedError, UsageError
from luactl.tenant import Tenant
from luactl.verify import verify_folder

AT, LATER = "2026-11-25T10:00:00Z", "2026-12-25T10:00:00Z"
CLEAR, PURGE = "Clear (key file overwritten)", "Purge (as the holder states)"


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


def holder(name: str, level: str, effective: str = AT) -> dict[str, Any]:
    state = "destroyed" if effective == AT else "scheduled"
    return {"holder": name, "old_root": state, "level": level, "scheduled_at": AT, "effective_at": effective}


def stated(*holders: dict[str, Any], **other: Any) -> dict[str, dict[str, Any]]:
    facts = Facts({"crm.contact": True, "crm.interaction": True}, holders, ["/books/1"], 2, (), AT, True)
    return {one["place"]: one for one in places(replace(facts, **other))}


def test_every_place_is_named() -> None:
    found = stated(holder("file:/a", CLEAR))
    assert {*found} >= {
        "table crm.contact", "table crm.interaction", "write-ahead log", "standbys and log receivers",
        "backups", "key tree in the database", "key book /books/1", "key holder file:/a", "ledger",
        "record of the erasure", "old copies of blind indexes", "old copies of external ids",
    }  # fmt: skip
    backups = found["backups"]
    assert (backups["method"], backups["level"], backups["state"]) == (CE, CLEAR, "effective")
    assert "2 connected" in found["standbys and log receivers"]["what"]
    assert found["key holder file:/a"]["method"] == "clear"


def test_no_key_file_is_ever_purged_and_the_weakest_holder_counts() -> None:
    found = stated(holder("file:/a", CLEAR), holder("command:kms", PURGE))
    assert found["backups"]["level"] == CLEAR
    assert stated(holder("command:kms", PURGE))["backups"]["level"] == PURGE
    unknown = stated(holder("file:/a", NO_LEVEL), holder("command:kms", PURGE))
    assert unknown["backups"]["level"] == NO_LEVEL
    assert unknown["key holder file:/a"]["method"] == "none"


def test_it_takes_effect_when_the_last_holder_has_destroyed_the_root() -> None:
    found = stated(holder("file:/a", CLEAR), holder("command:kms", PURGE, LATER))
    for place in ("table crm.contact", "backups", "write-ahead log", "ledger"):
        assert (found[place]["state"], found[place]["scheduled_at"]) == ("scheduled", AT)
        assert found[place]["effective_at"] == LATER
    assert found["key holder file:/a"]["state"] == "effective"
    assert found["key holder command:kms"]["state"] == "scheduled"


def test_a_table_that_was_readable_once_gets_no_claim() -> None:
    found = stated(holder("file:/a", CLEAR), tables={"crm.contact": False, "crm.interaction": True})
    contact = found["table crm.contact"]
    assert (contact["method"], contact["level"], contact["state"]) == ("deleted", NO_LEVEL, "remains")
    assert found["table crm.interaction"]["method"] == CE


def facts_of(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "certificate.json").read_bytes())
    return found


def test_the_certificate_of_one_person(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    done = erase(session, tenant, person(session, tenant), tmp_path)
    facts = facts_of(done.certificate)
    assert facts["subjects"] == {
        "erased": 1, "erased_before": 0, "held": 0, "list": None, "list_sha256": None,
    }  # fmt: skip
    assert facts["plan"] == erasure.find(session, done.erasure_id).digest
    assert facts["epochs"] == [2]
    by_place = {one["place"]: one for one in facts["places"]}
    assert by_place["table crm.contact"]["method"] == CE
    assert by_place["table crm.invoice, 2025"]["effective_at"] == "2034-01-01T00:00:00Z"
    assert not any("Purge" in one["level"] for one in facts["places"])
    text = (Path(done.certificate) / "certificate.md").read_text()
    assert "## Places" in text
    assert "write-ahead log" in text
    admin.execute("UPDATE lua.sealed_since SET born_sealed = false WHERE table_name = 'crm.contact'")
    other = erase(session, tenant, person(session, tenant, "2"), tmp_path)
    by_place = {one["place"]: one for one in facts_of(other.certificate)["places"]}
    assert by_place["table crm.contact"]["method"] == "deleted"


def test_the_certificate_of_many_lists_them_as_hashes(session: Session, tmp_path: Path) -> None:
    tenant = crowd(session)
    people = erasure.everybody(session, tenant)
    erase(session, tenant, people[0], tmp_path)
    done = erasure.run(session, erasure.plan(session, tenant, people, "order 9"), tmp_path)
    folder = Path(done.certificate)
    facts, lines = facts_of(done.certificate), (folder / "subjects.txt").read_text().split()
    assert (facts["subject"], facts["subjects"]["erased"]) == (None, len(people) - 1)
    assert facts["subjects"]["erased_before"] == 1
    assert lines == sorted(lines)
    assert {line_of(done.erasure_id, one) for one in people[1:]} == set(lines)
    assert all(str(one) not in file.read_text() for one in people for file in folder.iterdir())
    assert verify_folder(folder).ok
    (folder / "subjects.txt").write_text("".join(f"{line}\n" for line in lines[1:]))
    told = {finding.what for finding in verify_folder(folder).findings}
    assert "is not the list of people that certificate.json names" in told


def line_of(erasure_id: UUID, subject: UUID) -> str:
    """The rule of docs/reference/formats-certificate.md, written down anew."""
    return sha256(f"luactl/erasure/subject/1\n{erasure_id}\n{subject}\n".encode()).hexdigest()[:32]


@given(st.uuids(), st.lists(st.uuids(), unique=True, max_size=40))
def test_a_list_holds_everybody_once_whatever_their_order(act: UUID, people: list[UUID]) -> None:
    data = listed(act, people)
    assert data == listed(act, reversed(people))
    assert set(data.decode().split()) == {line_of(act, one) for one in people}
    assert data.count(b"\n") == len(people)


# -- .zip ----------------------------------------------------------------------------------------------------


def test_a_zip_is_checked_like_its_folder(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    who, target = person(session, tenant), tmp_path / "c.zip"
    plan = erasure.plan(session, tenant, who, "ticket 4711")
    done = erasure.run(session, plan, tmp_path / "base", target)
    assert done.certificate == str(target)
    verdict = verify_folder(target)
    assert (verdict.findings, verdict.id, verdict.files) == ((), str(done.erasure_id), 7)
    first = target.read_bytes()
    folder = tmp_path / "base" / str(done.erasure_id)
    assert archive.pack(folder, target).read_bytes() == first
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def packed(session: Session, tenant: Tenant, tmp_path: Path) -> Path:
    done = erase(session, tenant, person(session, tenant), tmp_path / "base")
    return archive.pack(Path(done.certificate), tmp_path / "c.zip")


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], *extra: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path) as old:
        files = [(name, change(name, old.read(name))) for name in old.namelist()]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in (*files, *extra):
            if data is not None:
                new.writestr(name, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_whatever_is_wrong_with_a_zip_is_found(packed: Path) -> None:
    good = packed.read_bytes()

    def told(
        *extra: tuple[str, bytes], change: Callable[[str, bytes], bytes | None] = lambda _n, d: d
    ) -> str:
        packed.write_bytes(good)
        verdict = verify_folder(rewritten(packed, change, *extra))
        assert not verdict.ok
        return " ".join(f"{one.file} {one.what}" for one in verdict.findings)

    assert "is not in the manifest" in told(("more.txt", b"more"))
    assert "is no plain file" in told(("../outside.txt", b"x"))
    assert "is no plain file" in told(("sub/", b""))
    assert "is in the archive twice" in told(("certificate.md", b"another"))
    assert "was changed" in told(change=lambda n, d: d + b" " if n == "certificate.md" else d)
    assert "is missing" in told(change=lambda n, d: None if n == "entry.json" else d)
    assert "is larger than" in told(change=lambda n, d: bytes(5 << 20) if n == "entry.json" else d)
    assert "more than 64 files" in told(*((f"x{n}.txt", b"") for n in range(70)))
    listed = good.rindex(b"PK\x01\x02")  # the entry of the last file in the archive's directory
    some = [(at, 0x40) for at in range(40, len(good) - 40, 97)]
    for at, bit in (*some, *((listed + n, bit) for n in range(46) for bit in (0x08, 0x40, 0x80))):
        packed.write_bytes(good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :])
        try:
            assert not verify_folder(packed).ok or _same(packed, good)
        except UsageError:
            continue  # no longer a .zip at all


def _same(path: Path, good: bytes) -> bool:
    """Whether the files are the same all the same: dates and attributes of a .zip are not signed."""
    data = path.read_bytes()
    path.write_bytes(good)
    with zipfile.ZipFile(path) as old:
        before = {name: old.read(name) for name in old.namelist()}
    path.write_bytes(data)
    with zipfile.ZipFile(path) as new:
        return before == {name: new.read(name) for name in new.namelist()}


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"x" * 99])
def test_what_is_no_zip(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "c.zip"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"no \.zip"):
        verify_folder(path)


def test_an_empty_zip_lacks_everything(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "c.zip", "w"):
        pass
    assert "manifest.json is missing" in [
        f"{f.file} {f.what}" for f in verify_folder(tmp_path / "c.zip").findings
    ]


def test_no_foreign_file_is_overwritten(packed: Path, tmp_path: Path) -> None:
    folder = next((tmp_path / "base").iterdir())
    for name, data in (("notes.zip", b"mine"), ("empty.zip", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RefusedError, match="something else"):
            archive.pack(folder, tmp_path / name)
        assert (tmp_path / name).read_bytes() == data
    with pytest.raises(RefusedError, match="no certificate"):
        archive.pack(tmp_path, tmp_path / "new.zip")
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


# -- PDF -----------------------------------------------------------------------------------------------------


def shown(pdf: bytes) -> str:
    """Return the text of a PDF of ours, line by line."""
    lines = []
    for stream in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL):
        for text in re.findall(rb"\(((?:\\\d{3})*)\) Tj", zlib.decompress(stream)):
            lines.append(bytes(int(code, 8) for code in re.findall(rb"\\(\d{3})", text)).decode("cp1252"))
    return "\n".join(lines)


def test_the_pdf_says_what_the_document_says(
    session: Session, tenant: Tenant, cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = erase(session, tenant, person(session, tenant), tmp_path)
    target = tmp_path / "c.pdf"
    ran = cli("erasure", "show", str(done.erasure_id), "--pdf", str(target), "--zip", str(tmp_path / "c.zip"))
    assert ran.returncode == 5, "the folder is not where this host keeps certificates"
    text = shown(target.read_bytes())
    for said in (
        "Certificate of erasure",
        str(done.erasure_id),
        "ticket 4711",
        "Places",
        "Remaining exposure",
    ):
        assert said in text
    assert "epoch 1 -> 2" in text
    again = cli("erasure", "show", str(done.erasure_id), "--pdf", str(target))
    assert again.returncode == 5
    assert "is there already" in again.stderr


def test_a_pdf_and_a_zip_on_demand(
    session: Session, tenant: Tenant, cli: Callable[..., Any], tmp_path: Path
) -> None:
    who = str(person(session, tenant))
    ran = cli(
        "erasure",
        "run",
        "--tenant",
        "smile",
        "--subject",
        who,
        "--instruction",
        "ticket 1",
        "--yes",
        "-o",
        "json",
    )
    done = json.loads(ran.stdout)["data"]["erasure_id"]
    assert cli("erasure", "show", done, "--zip", str(tmp_path / "c.zip")).returncode == 0
    checked = cli("verify", str(tmp_path / "c.zip"), "-o", "json")
    assert (checked.returncode, json.loads(checked.stdout)["data"]["id"]) == (0, done)


def test_nothing_is_certified_before_the_outcome(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    who = person(session, tenant)
    assert run_killed("epoch committed", "erase", "smile", str(who), str(tmp_path)) == KILLED
    [found] = erasure.list_(session, tenant)
    with pytest.raises(RefusedError, match="not finished"):
        erasure.write_pdf(found, tmp_path / "c.pdf")
    assert not (tmp_path / "c.pdf").exists()


def test_text_that_the_font_lacks_and_hostile_text() -> None:
    pdf = to_pdf("# A\n\n| | |\n|---|---|\n| Instruction | 日本 \\| (x) Tj ET \\\\ \x07 é → |\n", "A")
    text = shown(pdf)
    assert "U+65E5U+672C" in text
    assert "| (x) Tj ET" in text
    assert "U+0007" in text
    assert to_pdf("# A\n", "A") == to_pdf("# A\n", "A")


def test_long_tables_go_over_pages() -> None:
    rows = "".join(f"| place {n} | {'words ' * 30}|\n" for n in range(200))
    pdf = to_pdf(f"| Place | Why |\n|---|---|\n{rows}", "A")
    assert pdf.count(b"/MediaBox") > 3
    assert [line for line in shown(pdf).splitlines() if line.startswith("place")] == [
        f"place {n}" for n in range(200)
    ]


@given(
    st.text(st.characters(codec="cp1252", categories=("L", "N", "P", "Z")), max_size=200),
    st.integers(20, 500),
)
def test_lines_fit_and_no_letter_is_lost(text: str, width: int) -> None:
    lines = wrap(text, width, 9)
    assert "".join("".join(lines).split(" ")) == "".join(text.split(" "))
    assert all(measure(line, 9) <= width or len(line) == 1 for line in lines)
