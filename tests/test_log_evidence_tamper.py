"""Whatever is done to a lockbox afterwards, `luactl verify` finds it, and says in which file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support_evidence import (
    NOW,
    OTHER,
    at,
    check,
    collected,
    copied,
    entries,
    facts,
    lines,
    resigned,
    rewrite,
    sources,
)

from luactl.errors import RefusedError, UsageError
from luactl.log import evidence
from luactl.log.evidence import checking
from luactl.verify import verify_folder

MADE: list[Path] = []
Change = Callable[[list[Any]], object]


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lockbox with lines, entries, gaps, and three entries of custody; made once, never changed."""
    if not MADE:
        session, folder = request.getfixturevalue("session"), tmp_path_factory.mktemp("made")
        sources(session, folder)
        entries(at(session, 1.5), "tenant.create", "hold.place")
        assert collected(session, folder / "box").pending is None
        for action in ("stored", "handed-over"):
            evidence.record_step(session, folder / "box", evidence.Step(action, "Ida Falk", "safe 2", "é\n2"))
        MADE.append(folder / "box")
    return MADE[0]


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    yield
    MADE.clear()


@pytest.fixture
def box(made: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    return copied(made, tmp_path)


def key(made: Path) -> str:
    """The log's key, as somebody keeps it elsewhere."""
    return (made / "log.vkey").read_text().strip()


def test_untouched_it_holds(made: Path) -> None:
    assert check(made) == check(made, key=key(made)) == []


def test_every_file_in_every_way(box: Path, made: Path) -> None:
    files = sorted(box.iterdir())
    assert len(files) == 15
    for number, file in enumerate(files):
        good = file.read_bytes()
        other = files[number - 1].read_bytes()
        ways = {
            "changed": good[: len(good) // 2]
            + bytes([good[len(good) // 2] ^ 1])
            + good[len(good) // 2 + 1 :],
            "cut": good[:-1],
            "emptied": b"",
            "longer": good + b"\n",
            "longer before": b" " + good,
            "swapped": other,
        }
        for way, data in ways.items():
            file.write_bytes(data)
            told = " ".join(check(box, key=key(made)))
            assert file.name in told or (file.name, "signs another manifest" in told) == (
                "manifest.json",
                True,
            ), way
        file.unlink()
        assert f"{file.name} is missing" in check(box, key=key(made)), file.name
        file.write_bytes(good)
    assert check(box) == []


def test_what_does_not_belong_there(box: Path, tmp_path: Path) -> None:
    (box / "raw-9.log").write_bytes(b"x")
    (box / ".hidden").write_bytes(b"x")
    (box / "folder").mkdir()
    (box / "link.txt").symlink_to("/etc/passwd")
    os.mkfifo(box / "pipe.log")
    assert sorted(check(box)) == [
        ".hidden is not in the manifest",
        "folder is no plain file",
        "link.txt is a symbolic link; a certificate has none",
        "pipe.log is no plain file",
        "raw-9.log is not in the manifest",
    ]


def test_a_link_in_the_place_of_a_file_is_not_followed(box: Path, tmp_path: Path) -> None:
    (box / "raw-1.log").rename(tmp_path / "moved")
    (box / "raw-1.log").symlink_to(tmp_path / "moved")
    assert "raw-1.log is a symbolic link; a certificate has none" in check(box)
    (box / "custody.jsonl").rename(tmp_path / "custody")
    (box / "custody.jsonl").symlink_to(tmp_path / "custody")
    with pytest.raises(UsageError, match="no lockbox"):
        evidence.read_steps(box)


def test_signed_anew_by_somebody_else(box: Path, made: Path) -> None:
    resigned(box, OTHER)
    assert any(one.startswith("manifest.sig") for one in check(box, key=key(made)))
    (box / "log.vkey").write_text(f"{OTHER.verifier}\n")
    resigned(box, OTHER)
    assert "log.vkey is not the key that you trust" in check(box, key=key(made))
    assert any(one.startswith(("entry.tlog-proof", "checkpoint.txt")) for one in check(box))


def nth(found: list[Any], kind: str, number: int = 0) -> Any:
    return [one for one in found if one["kind"] == kind][number]


def swap_raw(found: list[Any]) -> None:
    one, two = nth(found, "line"), nth(found, "line", 3)
    one["raw"], two["raw"] = two["raw"], one["raw"]


def lines_of(found: list[Any]) -> list[Any]:
    return [one for one in found if one["raw"] and one["raw"]["file"] == "raw-1.log"]


FORGED: dict[str, tuple[str, Change, str]] = {
    "an entry's actor": (
        "lines.jsonl",
        lambda f: nth(f, "ledger").update(actor="nobody"),
        "lines.jsonl line 4 differs from what",
    ),
    "an entry's tenant": ("lines.jsonl", lambda f: nth(f, "ledger").update(tenant="smile"), ": tenant"),
    "an entry's time": (
        "lines.jsonl",
        lambda f: nth(f, "ledger").update(at="2026-03-01T12:00:01.400000Z"),
        "differs from what was signed: at",
    ),
    "an entry removed": (
        "lines.jsonl",
        lambda f: f.remove(nth(f, "ledger")),
        "proofs.jsonl proves another entry",
    ),
    "the last entry removed": (
        "lines.jsonl",
        lambda f: f.remove(nth(f, "ledger", 1)),
        "proofs.jsonl proves more entries than",
    ),
    "an entry twice": (
        "lines.jsonl",
        lambda f: f.insert(4, nth(f, "ledger", 1)),
        "proofs.jsonl has no proof for line",
    ),
    "a line removed": ("lines.jsonl", lambda f: f.remove(nth(f, "line", 2)), "that no line names, or two do"),
    "a line removed at the end": (
        "lines.jsonl",
        lambda f: f.remove(f[-1]),
        "has bytes at its end that no line names",
    ),
    "a line twice": ("lines.jsonl", lambda f: f.insert(1, f[0]), "that no line names, or two do"),
    "lines in another order": ("lines.jsonl", lambda f: f.reverse(), "is older than the one before it"),
    "bytes of two lines swapped": ("lines.jsonl", swap_raw, "raw-"),
    "bytes said to be missing": (
        "lines.jsonl",
        lambda f: nth(f, "line").update(raw=None, missing="gone"),
        "raw-1.log has bytes, at 0,",
    ),
    "bytes neither there nor missing": (
        "lines.jsonl",
        lambda f: nth(f, "line").update(raw=None),
        "does not say where its bytes are, or why",
    ),
    "another digest": (
        "lines.jsonl",
        lambda f: nth(f, "line")["raw"].update(sha256="0" * 64),
        "raw-1.log does not hold at 0 what",
    ),
    "another length": (
        "lines.jsonl",
        lambda f: nth(f, "line")["raw"].update(length=1 << 40),
        "raw-1.log does not",
    ),
    "a place that is none": (
        "lines.jsonl",
        lambda f: nth(f, "line")["raw"].update(offset="0"),
        "lines.jsonl line 1 does not say where",
    ),
    "bytes elsewhere": (
        "lines.jsonl",
        lambda f: nth(f, "line")["raw"].update(file="../../etc/passwd"),
        "raw-1.log",
    ),
    "a column more": (
        "lines.jsonl",
        lambda f: f[0].update(more=1),
        "lines.jsonl line 1 is none of a timeline",
    ),
    "no object": ("lines.jsonl", lambda f: f.insert(0, []), "lines.jsonl line 1 is none of a timeline"),
    "another kind": ("lines.jsonl", lambda f: f[0].update(kind="note"), "lines.jsonl line 1 is none of"),
    "a signed entry's bytes": (
        "proofs.jsonl",
        lambda f: f[0].update(body=f[0]["body"].replace("x:1", "x:2")),
        "proofs.jsonl does not prove",
    ),
    "proofs swapped": ("proofs.jsonl", lambda f: f.reverse(), "proofs.jsonl proves another entry than line"),
    "another place in the log": (
        "proofs.jsonl",
        lambda f: f[0].update(index=f[0]["index"] + 1),
        "proofs.jsonl",
    ),
    "a hash of a proof": (
        "proofs.jsonl",
        lambda f: f[0]["hashes"].__setitem__(0, f[0]["hashes"][1]),
        "does not prove that the log holds",
    ),
    "a proof taken away": (
        "proofs.jsonl",
        lambda f: f[0].update(hashes=None),
        "proofs.jsonl proves another entry than line",
    ),
    "a body that is no text": (
        "proofs.jsonl",
        lambda f: f[0].update(body=7),
        "proofs.jsonl has no proof for line",
    ),
    "a gap removed": ("gaps.jsonl", lambda f: f.pop(), "gaps.jsonl has 1 gaps, and certificate.json says 2"),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_so_that_all_digests_fit(box: Path, made: Path, what: str) -> None:
    """Whoever makes digests and manifest fit again is found by what lines come from."""
    name, change, finding = FORGED[what]
    found = lines(box, name)
    change(found)
    rewrite(box / name, *found)
    resigned(box, OTHER)
    told = check(box, key=key(made))
    assert any(finding in one for one in told), told
    assert any(one.startswith("manifest.sig") for one in told)
    assert any(one.startswith("entry.json records another certificate") for one in told)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda data: data[1:], "raw-1.log does not hold at 0 what line 1 of lines.jsonl"),
        (lambda data: data + b"x", "raw-1.log has bytes at its end that no line names"),
        (lambda data: b"", "raw-1.log does not hold at 0"),
    ],
)
def test_forged_bytes(box: Path, change: Callable[[bytes], bytes], finding: str) -> None:
    file = box / "raw-1.log"
    file.write_bytes(change(file.read_bytes()))
    resigned(box, OTHER)
    assert any(finding in one for one in check(box)), check(box)


def test_a_file_that_no_line_names(box: Path) -> None:
    rewrite(box / "lines.jsonl", *(one for one in lines(box) if one["kind"] == "ledger"))
    resigned(box, OTHER)
    assert {"raw-1.log holds bytes that no line names", "raw-2.log holds bytes that no line names"} <= {
        *check(box)
    }


def test_facts_that_are_none(box: Path) -> None:
    from luactl.certificate import canonical

    for change in ({"format": "x"}, {"files": []}, {"files": [1]}, {"lines": "8"}, {"tenants": None}):
        (box / "certificate.json").write_bytes(canonical(facts(box) | change))
        assert "certificate.json does not state a lockbox" in check(box), change
        (box / "certificate.json").write_bytes((MADE[0] / "certificate.json").read_bytes())
    stated = facts(box)
    stated["files"] = stated["files"][1:]
    (box / "certificate.json").write_bytes(canonical(stated))
    assert "lines.jsonl is not named by certificate.json" in check(box)


# -- custody -------------------------------------------------------------------------------------------------

CUSTODY: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "changed": (lambda f: [f[0], f[1].replace(b"safe 2", b"safe 3"), f[2]], "line 3 does not follow"),
    "removed": (lambda f: [f[0], f[2]], "line 2 does not follow the one before it"),
    "first removed": (lambda f: f[1:], "line 1 does not follow"),
    "moved": (lambda f: [f[0], f[2], f[1]], "line 2 does not follow"),
    "inserted": (lambda f: [f[0], f[1], f[1], f[2]], "line 3 does not follow"),
    "emptied": (lambda f: [], "has no entry"),
    "cut short": (lambda f: [f[0], f[1], f[2][:-9]], "line 3 is no entry"),
    "without its end": (lambda f: [f[0], f[1], f[2][:-1]], "line 3 is no entry"),
    "not canonical": (lambda f: [f[0], f[1], f[2].replace(b":", b": ", 1)], "line 3 is no entry"),
    "no JSON": (lambda f: [*f, b"\xff\n"], "line 4 is no entry"),
    "said more": (lambda f: [*f[:2], f[2].replace(b'"v":1', b'"v":1,"w":1')], "line 3 is no entry"),
    "an unknown act": (
        lambda f: [*f[:2], f[2].replace(b"handed-over", b"thrown-away")],
        "line 3 is no entry",
    ),
}


@pytest.mark.parametrize("what", CUSTODY)
def test_a_custody_log_that_was_tampered_with(box: Path, what: str) -> None:
    change, finding = CUSTODY[what]
    file = box / "custody.jsonl"
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))
    told = check(box)
    assert told
    assert all(one.startswith("custody.jsonl ") for one in told)
    assert any(finding in one for one in told), told
    with pytest.raises(RefusedError, match="not as it was written"):
        evidence.read_steps(box)
    with pytest.raises(RefusedError, match="not as it was written"):
        evidence.add_step(box, evidence.Step("stored", "Ida Falk"), NOW)


def test_entries_that_were_cut_off_are_found_by_the_head_on_paper(box: Path) -> None:
    file = box / "custody.jsonl"
    head = evidence.read_steps(box)[-1].sha256
    assert verify_folder(box).custody == head
    assert check(box, custody=head) == []
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    assert check(box) == [], "the folder alone does not tell"
    assert check(box, custody=head) == [
        "custody.jsonl lacks the entry that you know: entries were cut off or replaced"
    ]


def test_somebody_elses_beginning(box: Path) -> None:
    from luactl.log.evidence.custody import first

    log = first("nobody", "INC-7", NOW, (box / "certificate.json").read_bytes())
    (box / "custody.jsonl").write_bytes(log)
    assert check(box) == ["custody.jsonl begins with somebody else than who collected it"]
    log = first(facts(box)["made_by"], "INC-7", NOW, b"of another lockbox")
    (box / "custody.jsonl").write_bytes(log)
    assert any("line 1 does not follow" in one for one in check(box))


# -- as one file ---------------------------------------------------------------------------------------------


def zipped(box: Path, target: Path, names: dict[str, str] | None = None) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(box.iterdir()):
            entry = zipfile.ZipInfo((names or {}).get(file.name, file.name))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return target


def test_as_a_zip_it_is_checked_likewise(box: Path, tmp_path: Path) -> None:
    whole = zipped(box, tmp_path / "whole.zip")
    assert check(whole) == []
    assert verify_folder(whole).custody == evidence.read_steps(box)[-1].sha256
    found = lines(box)
    swap_raw(found)
    rewrite(box / "lines.jsonl", *found)
    resigned(box, OTHER)
    assert any("raw-" in one for one in check(zipped(box, tmp_path / "forged.zip")))


@pytest.mark.parametrize("name", ["../raw-1.log", "/tmp/raw-1.log", "a/raw-1.log", "..\\raw-1.log"])
def test_a_zip_that_leads_elsewhere_is_not_followed(made: Path, tmp_path: Path, name: str) -> None:
    told = check(zipped(made, tmp_path / "slip.zip", {"raw-1.log": name}))
    assert f"{name} is no plain file" in told
    assert "raw-1.log is missing" in told
    assert sorted(one.name for one in tmp_path.iterdir()) == ["slip.zip"]


def test_a_zip_with_a_damaged_file(box: Path, tmp_path: Path) -> None:
    whole = zipped(box, tmp_path / "whole.zip")
    with zipfile.ZipFile(whole) as archive:
        place = archive.getinfo("lines.jsonl").header_offset + 100
    data = bytearray(whole.read_bytes())
    data[place : place + 40] = b"\0" * 40
    whole.write_bytes(data)
    assert any(one.startswith("lines.jsonl cannot be read") for one in check(whole))


def test_a_line_without_an_end_fills_no_memory(
    box: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checking, "LONGEST_LINE", 10_000)
    assert check(box) == []
    with (box / "lines.jsonl").open("ab") as file:
        file.write(b'"' + b"x" * 20_000 + b'"\n')
    told = check(box)
    assert any("lines.jsonl line 11 is no JSON, or has no end" in one for one in told)


def test_findings_of_one_file_are_few(box: Path) -> None:
    rewrite(box / "lines.jsonl", *range(1_000))
    assert 20 <= len(check(box)) < 40
