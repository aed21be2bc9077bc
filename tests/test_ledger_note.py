"""Signed notes and checkpoints: published vectors, and what must be refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_ledger import vectors

from luactl.ledger.merkle import leaf_hash, root
from luactl.ledger.note import Checkpoint, NoteError, Signer, Verifier, key_id, open_checkpoint, open_note

SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ryy"
    "BwJnAM=\n"
)
SIGNER = Signer("log.example", bytes(range(32)))


def test_published_note_opens_and_is_signed_again_byte_for_byte() -> None:
    signer = Signer.parse(SKEY)
    opened = open_note(NOTE, [Verifier.parse(VKEY)])
    assert opened.signers == ("PeterNeumann",)
    assert signer.sign(opened.text) == NOTE
    assert (str(signer.verifier), signer.secret()) == (VKEY, SKEY)


def test_published_notes_and_keys() -> None:
    for case in json.loads(vectors("go-sumdb-note/notes.json").read_text()):
        if "bad_vkey" in case:
            with pytest.raises(NoteError):
                Verifier.parse(case["bad_vkey"])
        else:
            assert open_note(case["note"], [Verifier.parse(case["vkey"])]).text


def test_published_log() -> None:
    log: dict[str, Any] = json.loads(vectors("tessera-log/keys_and_leaves.json").read_text())
    signer, folder = Signer.parse(log["skey"]), vectors("tessera-log/testdata/log")
    leaves = [leaf.encode() for leaf in log["leaves"]]
    assert str(signer.verifier) == log["vkey"]
    for size in range(16):
        note = (folder / f"checkpoint.{size}").read_text()
        checkpoint = open_checkpoint(note, [Verifier.parse(log["vkey"])])
        assert (checkpoint.size, checkpoint.root) == (size, root(leaves[:size]))
        assert checkpoint.signed(signer).note == note
        if size:
            assert (folder / f"tile/0/000.p/{size}").read_bytes() == b"".join(map(leaf_hash, leaves[:size]))
            bundle = b"".join(len(t).to_bytes(2) + t.encode() for t in log["leaves"][:size])
            assert (folder / f"tile/entries/000.p/{size}").read_bytes() == bundle


def wrong_key(text: str, length: int, type_: bytes = b"\x01") -> str:
    key = type_ + bytes(length)
    return f"{text}+{key_id(text, key).hex()}+{base64.b64encode(key).decode()}"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("c74f20a3", "C74F20A3"),
        VKEY[:-4],
        VKEY + "AAAA",
        VKEY + "\n",
        VKEY.replace("PeterNeumann", "Peter Neumann"),
        wrong_key("short", 31),
        wrong_key("long", 33),
        wrong_key("cosignature", 32, b"\x04"),
        wrong_key("", 32),
        SKEY,
    ],
)
def test_malformed_verifier_keys_are_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(vkey)


@pytest.mark.parametrize("skey", ["", VKEY, SKEY[:-2], SKEY.replace("c74f20a3", "c74f20a4"), "PRIVATE+KEY+x"])
def test_malformed_signing_keys_are_refused_without_being_told(skey: str) -> None:
    with pytest.raises(NoteError) as caught:
        Signer.parse(skey)
    assert "AYEKFALV" not in str(caught.value)
    assert "AYEKFALV" not in repr(Signer.parse(SKEY))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        NOTE[:-1],
        NOTE.replace("— ", "- "),
        NOTE.replace("— PeterNeumann ", "— PeterNeumann  "),
        NOTE.replace("problem,", "problem"),
        NOTE.replace("x08go", "x08gp"),
        NOTE.replace("JnAM=", "JnAN="),
        NOTE.replace("x08go/ZJ", "x08go/ZK"),
        NOTE.replace("answer", "ans\twer"),
        NOTE.replace("answer", "ans\x00wer"),
        NOTE + "\n",
        NOTE + "junk\n",
        "\ud800" + NOTE,
        NOTE.partition("\n\n")[0] + "\n\n" + "— somebody-else AAAAAAAAAA==\n",
        NOTE + "— x AAAAAAAA\n" * 100,
        "x" * 1_000_001 + NOTE,
    ],
)
def test_malformed_or_forged_notes_are_refused(note: str) -> None:
    with pytest.raises(NoteError):
        open_note(note, [Verifier.parse(VKEY)])


def test_other_signatures_are_passed_over_but_a_bad_one_by_a_known_key_is_not() -> None:
    mine, other = SIGNER.sign("hello\n"), Signer("other.example", bytes(32))
    theirs = other.sign("hello\n").rpartition("\n\n")[2]
    assert open_note(mine + theirs, [SIGNER.verifier]).signers == ("log.example",)
    assert open_note(mine + theirs, [SIGNER.verifier, other.verifier]).signers == (
        "log.example",
        "other.example",
    )
    forged = mine + other.sign("goodbye\n").rpartition("\n\n")[2]
    with pytest.raises(NoteError):
        open_note(forged, [SIGNER.verifier, other.verifier])
    sixteen = [Signer(f"w{n}.example", bytes([n] * 32)) for n in range(16)]
    note = mine + "".join(s.sign("hello\n").rpartition("\n\n")[2] for s in sixteen)
    assert len(open_note(note, [s.verifier for s in sixteen]).signers) == 16


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=60))
def test_whatever_was_signed_opens_to_itself(text: str) -> None:
    note = SIGNER.sign(text + "\n")
    assert open_note(note, [SIGNER.verifier]).text == text + "\n"


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32))
def test_checkpoint_round_trip(size: int, root_hash: bytes) -> None:
    signed = Checkpoint(SIGNER.name, size, root_hash).signed(SIGNER)
    assert open_checkpoint(signed.note, [SIGNER.verifier]) == signed


@pytest.mark.parametrize(
    "text",
    [
        "log.example\n",
        "log.example\n1\n",
        f"log.example\n01\n{'A' * 43}=\n",
        f"log.example\n-1\n{'A' * 43}=\n",
        f"log.example\n1\n{'A' * 43}\n",
        f"log.example\n1\n{'A' * 42}B=\n",
        "log.example\n1\nAAAA\n",
        f"log.example\n1\n{'A' * 43}=\n\nextension\n",
        f"other.example\n1\n{'A' * 43}=\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        open_checkpoint(SIGNER.sign(text), [SIGNER.verifier])


def test_extension_lines_are_passed_over() -> None:
    note = SIGNER.sign(f"log.example\n1\n{'A' * 43}=\nextension\n")
    assert open_checkpoint(note, [SIGNER.verifier]).size == 1
