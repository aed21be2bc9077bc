"""The test vectors of docs/reference/formats.md, parts 1 to 3, are what the program reads and writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from luactl.key import KeyClass, PeriodKey, Place, Sealer, SubjectKey, person, unseal
from luactl.key.credential import credential_info, credential_place, seal_credential, unseal_credential
from luactl.key.derive import hkdf_unsalted
from luactl.key.holder import pack
from luactl.key.node import OpenNode, address, seal_node, top_key
from luactl.key.path import locate, tenant_nodes
from luactl.key.rewrite import period_mark, subject_mark, tenant_mark, version_mark
from luactl.key.seal import encode, row_key
from luactl.secret import hash_of

FORMATS = Path(__file__).parents[1] / "docs" / "reference" / "formats.md"
TREE = UUID("0198f2a4-6c3e-7a10-9b1d-3f5e7c9a1b2d")


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    text = FORMATS.read_text(encoding="utf-8")
    found = re.search(r"### Test vectors of parts 1 to 3.*?```json\n(.*?)```", text, re.DOTALL)
    assert found, "formats.md has lost its vectors"
    vectors: dict[str, Any] = json.loads(found[1])
    return vectors


@pytest.fixture
def fixed_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every nonce is 00 01 … 0b, as in the vectors."""
    monkeypatch.setattr("os.urandom", lambda count: (bytes(range(12)) * (count // 12 + 1))[:count])


def test_top_key(vectors: dict[str, Any]) -> None:
    top = vectors["top"]
    assert UUID(top["tree_id"]) == TREE
    assert top_key(bytes.fromhex(top["root"]), TREE.bytes, top["epoch"]).hex() == top["key"]


def test_slot_file(vectors: dict[str, Any]) -> None:
    file = pack(TREE, vectors["top"]["epoch"], bytes.fromhex(vectors["top"]["root"]))
    assert len(file) == 256
    assert file[:64].hex() == vectors["holder"]["file_head"]
    assert not any(file[64:224])
    assert file[224:].hex() == vectors["holder"]["checksum"]


@pytest.mark.usefixtures("fixed_nonce")
def test_node(vectors: dict[str, Any]) -> None:
    node = vectors["node"]
    path, node_key, key = (bytes.fromhex(node[name]) for name in ("path", "node_key", "key"))
    slot, version = node["slot"], node["version"]
    assert (address(TREE.bytes, path, version) + bytes([slot])).hex() == node["address"]
    keys = [None if at != slot else key for at in range(64)]
    blob = seal_node(TREE.bytes, path, version, node_key, keys)
    assert len(blob) == 3840
    assert blob[slot * 60 : slot * 60 + 60].hex() == node["sealed"]
    assert OpenNode(TREE.bytes, path, version, blob, node_key).keys() == keys


def test_places(vectors: dict[str, Any]) -> None:
    for place in vectors["places"]:
        leaf, slot = locate(b"", place["first"], place["number"])
        assert (leaf.hex(), slot) == (place["leaf"], place["slot"])
    own, duty = tenant_nodes(vectors["tenant"]["key_no"])
    assert (own.hex(), duty.hex()) == (vectors["tenant"]["tenant_node"], vectors["tenant"]["duty_node"])


def test_tombstones(vectors: dict[str, Any]) -> None:
    stone = vectors["tombstones"]
    key, tenant = bytes.fromhex(stone["key"]), stone["tenant_id"]
    mark = subject_mark(key, tenant, UUID(stone["subject_id"]), KeyClass(stone["key_class"]))
    assert mark.hex() == stone["subject_mark"]
    assert period_mark(key, tenant, stone["period_id"], stone["slot_no"]).hex() == stone["period_mark"]
    superseded = version_mark(
        key, tenant, UUID(stone["subject_id"]), KeyClass(stone["key_class"]), stone["superseded_version"]
    )
    assert superseded.hex() == stone["version_mark"]
    assert tenant_mark(key, tenant).hex() == stone["tenant_mark"]


@pytest.mark.usefixtures("fixed_nonce")
def test_released_key(vectors: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.asymmetric import x25519

    stone = vectors["release"]
    real = x25519.X25519PrivateKey
    secret, public, once, path, node_key = (
        bytes.fromhex(stone[name])
        for name in ("person_secret", "person_public", "ephemeral_secret", "path", "node_key")
    )
    pair = person.PersonKey(public, secret)
    assert real.from_private_bytes(secret).public_key().public_bytes_raw() == public
    assert person.public_text(public) == stone["public_text"]
    assert person.read_public(stone["public_text"]) == public
    place = person.bound(TREE.bytes, UUID(stone["release_id"]).bytes, path, stone["version"])
    assert place.hex() == stone["place"]
    sealed = bytes.fromhex(stone["sealed"])
    assert person.open_sealed(pair, sealed, place) == node_key

    class Once:
        @staticmethod
        def generate() -> x25519.X25519PrivateKey:
            return real.from_private_bytes(once)

    monkeypatch.setattr(x25519, "X25519PrivateKey", Once)
    assert person.seal_to(public, node_key, place) == sealed


@pytest.mark.usefixtures("fixed_nonce")
def test_credential_and_token(vectors: dict[str, Any]) -> None:
    one, token = vectors["credential"], vectors["token"]
    at = (one["tenant_id"], UUID(one["secret_id"]))
    assert credential_place(*at).decode() == one["place"]
    key = bytes.fromhex(one["credential_key"])
    assert hkdf_unsalted(key, credential_info(at[1])).hex() == one["key"]
    assert encode({"value": one["value"]}).decode() == one["plaintext"]
    assert seal_credential(one["value"], *at, key).hex() == one["frame"]
    assert unseal_credential(bytes.fromhex(one["frame"]), *at, key) == one["value"]
    assert hash_of(token["text"]).hex() == token["hash"]


@pytest.mark.usefixtures("fixed_nonce")
def test_sealed_row(vectors: dict[str, Any]) -> None:
    row = vectors["row"]
    _format, tenant, subject, table, column, row_id = row["place"].split("|")
    place = Place(int(tenant), UUID(subject), table, column, UUID(row_id))
    assert place.aad() == row["place"].encode()
    key_class = KeyClass(row["key_class"])
    subject_key = SubjectKey(row["key_version"], bytes.fromhex(row["subject_key"]))
    period = PeriodKey(row["period_id"], bytes.fromhex(row["period_key"]))
    assert row_key(subject_key.key, period.key, key_class).hex() == row["row_key"]
    assert encode(row["fields"]).decode() == row["plaintext"]
    sealer = Sealer(int(tenant), table, column, key_class, period)
    assert sealer.seal(subject, subject_key, row_id, row["fields"]).hex() == row["frame"]
    assert unseal(bytes.fromhex(row["frame"]), place, subject_key, period) == row["fields"]
