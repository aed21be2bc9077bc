"""Certificate folders: whole, signed, proved, and every tampering found. No database."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl.certificate import Act, Evidence, write
from luactl.certificate import manifest as man
from luactl.certificate import proof as log_proof
from luactl.errors import RefusedError, UsageError
from luactl.ledger import merkle
from luactl.ledger.note import Checkpoint, Signer
from luactl.verify import Verdict, verify_folder

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ACT_ID = "0190c3a0-0000-7000-8000-000000000001"
SIGNER = Signer("log.example", bytes(range(32)))
OTHER = Signer("log.example", bytes(32))


def act(id: str = ACT_ID) -> Act:
    return Act("erasure", id, man.canonical({"v": 1, "kind": "erasure", "id": id}), "# Certificate\n")


def entry_of(one: Act, **other: object) -> bytes:
    detail = {"certificate": sha256(one.facts).hexdigest()}
    return man.canonical({"object": f"erasure:{one.id}", "outcome": "done", "detail": detail, **other})


def evidence(
    one: Act, *, entry: bytes | None = None, signer: Signer = SIGNER, index: int = 2, size: int = 5
) -> Evidence:
    body = entry_of(one) if entry is None else entry
    leaves = [body if n == index else b"%d" % n for n in range(size)]
    checkpoint = Checkpoint("log.example", size, merkle.root(leaves)).signed(signer)
    return Evidence(
        body,
        "log.example",
        index,
        size,
        merkle.inclusion_proof(leaves, index),
        checkpoint.note,
        str(signer.verifier),
    )


def make(folder: Path, **options: object) -> Path:
    return write(folder, act(), NOW, "keeper", evidence(act(), **options), SIGNER)  # type: ignore[arg-type]


def told(verdict: Verdict) -> list[str]:
    return [f"{finding.file} {finding.what}" for finding in verdict.findings]


def test_an_untouched_folder_holds(tmp_path: Path) -> None:
    verdict = verify_folder(make(tmp_path / "c"))
    assert verdict.ok
    assert (verdict.id, verdict.index, verdict.size, verdict.files) == (ACT_ID, 2, 5, 7)
    assert not verdict.pinned
    assert verdict.key == str(SIGNER.verifier)


@pytest.mark.parametrize("as_file", [False, True])
def test_a_pinned_key_is_the_one_that_counts(tmp_path: Path, as_file: bool) -> None:
    folder = make(tmp_path / "c")

    def given(signer: Signer) -> str:
        if not as_file:
            return str(signer.verifier)
        (tmp_path / "trusted").write_text(f"{signer.verifier}\n")
        return str(tmp_path / "trusted")

    assert verify_folder(folder, given(SIGNER)).ok
    assert verify_folder(folder, given(SIGNER)).pinned
    assert "log.vkey is not the key that you trust" in told(verify_folder(folder, given(OTHER)))


@pytest.mark.parametrize("key", ["nonsense", "no+such+key", "/dev/null", "a" * 5000])
def test_a_key_that_is_none_is_a_usage_error(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError):
        verify_folder(make(tmp_path / "c"), key)


def test_every_changed_byte_of_every_file_is_found(tmp_path: Path) -> None:
    folder = make(tmp_path / "c")
    for file in sorted(folder.iterdir()):
        good = file.read_bytes()
        for at in {0, len(good) // 3, len(good) // 2, len(good) - 1}:
            file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            assert not verify_folder(folder).ok, (file.name, at)
        file.write_bytes(good + b" ")
        assert not verify_folder(folder).ok, file.name
        file.unlink()
        assert f"{file.name} is missing" in " ".join(told(verify_folder(folder))), file.name
        file.write_bytes(good)
    assert verify_folder(folder).ok


def replaced(
    folder: Path, change: Callable[[dict[str, object]], None], signer: Signer | None = None
) -> Verdict:
    """Change the manifest, sign it anew if a signer is given, and check."""
    document = json.loads((folder / man.MANIFEST).read_bytes())
    change(document)
    data = man.canonical(document)
    (folder / man.MANIFEST).write_bytes(data)
    if signer:
        (folder / man.SIGNATURE).write_text(signer.sign(man.signed_text(data)))
    return verify_folder(folder)


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/etc/passwd", "a/../b.txt", "..", "sub/x.txt", "a\\b.txt", "manifest.sig"]
)
def test_a_manifest_cannot_name_a_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.txt").write_bytes(b"x")

    def change(document: dict[str, object]) -> None:
        document["files"][name] = sha256(b"x").hexdigest()  # type: ignore[index]

    verdict = replaced(make(tmp_path / "c"), change, SIGNER)
    assert any("cannot be a file of a certificate" in line for line in told(verdict))


def test_a_manifest_changed_after_signing_is_found(tmp_path: Path) -> None:
    verdict = replaced(make(tmp_path / "c"), lambda document: document.update(made_by="somebody else"))
    assert told(verdict) == ["manifest.sig signs another manifest"]


def test_a_signature_by_another_key_is_found(tmp_path: Path) -> None:
    verdict = replaced(make(tmp_path / "c"), lambda _: None, OTHER)
    assert told(verdict) == ["manifest.sig the note is not signed by any known key"]


def test_a_whole_folder_forged_with_another_key_falls_to_the_pinned_one(tmp_path: Path) -> None:
    forged = write(tmp_path / "c", act(), NOW, "keeper", evidence(act(), signer=OTHER), OTHER)
    assert verify_folder(forged).ok
    assert not verify_folder(forged, str(SIGNER.verifier)).ok


def test_symlinks_folders_and_extra_files_are_found(tmp_path: Path) -> None:
    folder = make(tmp_path / "c")
    (folder / "more.txt").write_text("more")
    (folder / "sub").mkdir()
    document = folder / man.DOCUMENT
    document.rename(tmp_path / "elsewhere.md")
    document.symlink_to(tmp_path / "elsewhere.md")
    os.mkfifo(folder / "pipe")
    lines = told(verify_folder(folder))
    assert "certificate.md is a symbolic link; a certificate has none" in lines
    assert "more.txt is not in the manifest" in lines
    assert "sub is no plain file" in lines
    assert "pipe is no plain file" in lines


def test_a_proof_of_another_entry_is_found(tmp_path: Path) -> None:
    good = evidence(act())
    wrong = Evidence(good.entry, good.origin, 3, good.size, good.hashes, good.checkpoint, good.vkey)
    verdict = verify_folder(write(tmp_path / "c", act(), NOW, "keeper", wrong, SIGNER))
    assert told(verdict) == ["entry.tlog-proof does not prove that the log holds the entry"]


def test_a_checkpoint_of_another_log_is_found(tmp_path: Path) -> None:
    good, bad = evidence(act()), evidence(act(), signer=OTHER)
    mixed = Evidence(good.entry, good.origin, good.index, good.size, good.hashes, bad.checkpoint, good.vkey)
    verdict = verify_folder(write(tmp_path / "c", act(), NOW, "keeper", mixed, SIGNER))
    assert told(verdict) == ["entry.tlog-proof the note is not signed by any known key"]


@pytest.mark.parametrize(
    ("other", "finding"),
    [
        ({"object": "0190c3a0-0000-7000-8000-00000000ffff"}, "entry.json records another act"),
        ({"outcome": "intent"}, "entry.json records another act"),
        ({"detail": {"certificate": "0" * 64}}, "entry.json records another certificate"),
        ({"detail": None}, "entry.json records another certificate"),
    ],
)
def test_an_entry_about_something_else_is_found(
    tmp_path: Path, other: dict[str, object], finding: str
) -> None:
    verdict = verify_folder(make(tmp_path / "c", entry=entry_of(act(), **other)))
    assert len(verdict.findings) == 1
    assert told(verdict)[0].startswith(finding)


def test_without_proof_or_signature_it_says_pending(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", act(), NOW, "keeper", None, None)
    lines = told(verify_folder(folder, str(SIGNER.verifier)))
    assert "manifest.json says that the ledger entry is pending: no checkpoint covers it yet" in lines
    assert "manifest.sig is missing" in lines
    assert write(folder, act(), NOW, "keeper", evidence(act()), SIGNER) == folder
    assert verify_folder(folder).ok


def test_nothing_foreign_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "notes")
    folder = make(tmp_path / "c")
    for place in ("notes", "file", "link", "link/"):
        with pytest.raises(RefusedError):
            make(tmp_path / place)
    with pytest.raises(RefusedError, match="another certificate"):
        write(folder, act("0190c3a0-0000-7000-8000-00000000ffff"), NOW, "keeper", None, None)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(RefusedError, match="foreign files"):
        make(folder)
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "file", "link", "notes"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    assert verify_folder(make(tmp_path / "c")).ok


@pytest.mark.parametrize("place", ["nowhere", "file"])
def test_what_is_no_folder_is_a_usage_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is not a folder"):
        verify_folder(tmp_path / place)


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_manifest_are_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(man.ManifestError):
        man.parse(data)


@given(
    st.recursive(
        st.none() | st.integers(0, 9) | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=5), x),
    )
)
def test_any_json_in_a_manifest_field_is_refused_or_round_trips(value: object) -> None:
    base = {"v": 1, "kind": "k", "id": "i", "made_at": "t", "made_by": "b", "ledger": None, "files": {}}
    for key in base:
        data = man.canonical({**base, key: value})
        try:
            found = man.parse(data)
        except man.ManifestError:
            continue
        assert found.to_bytes() == data


@pytest.mark.parametrize(
    "text",
    [
        '"id":"\\ud800"',
        '"id":"i","ledger":{"origin":"o","index":1000000000000000000000,"size":1}',
        '"id":NaN',
        '"id":' + "[" * 9000,
    ],
)
def test_json_without_a_canonical_form_is_refused(text: str) -> None:
    rest = '"kind":"k","made_at":"t","made_by":"b","files":{},"v":1'
    with pytest.raises(man.ManifestError):
        man.parse(b"{%s,%s}" % (rest.encode(), text.encode()))


@given(st.integers(0, 40), st.integers(1, 41))
def test_proof_files_round_trip(index: int, size: int) -> None:
    index %= size
    leaves = [b"%d" % n for n in range(size)]
    hashes = merkle.inclusion_proof(leaves, index)
    checkpoint = Checkpoint("log.example", size, merkle.root(leaves)).signed(SIGNER).note
    found = log_proof.parse(log_proof.to_text(index, hashes, checkpoint))
    assert (found.index, list(found.hashes), found.checkpoint) == (index, hashes, checkpoint)


HEAD = "c2sp.org/tlog-proof@v1\n"
MALFORMED = [
    "",
    "x",
    f"{HEAD}\n",
    f"{HEAD}index -1\n\nx",
    f"{HEAD}index 01\n\nx",
    f"{HEAD}index 1\nAAAA\n\nx",
    f"{HEAD}index 1\n",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_proof_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        log_proof.parse(text)
