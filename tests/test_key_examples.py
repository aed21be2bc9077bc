"""The worked examples of docs/how-to/holders: their shell is sound, and they speak the protocol.

`vault` and `systemd-creds` are stood in for by programs that keep to what is used of their interfaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from luactl.errors import Exit
from luactl.key.command import CommandHolder
from luactl.key.holder import HolderError

EXAMPLES = Path(__file__).parents[1] / "docs" / "how-to" / "holders"
NAMES = sorted(file.name for file in EXAMPLES.iterdir())
TREE = uuid4()
ROOT = os.urandom(32)

VAULT = """\
#!/bin/sh
# Stands in for `vault kv`: one file a path; fails as vault does.
echo "$*" >> "$STORE/../arguments"
[ -e "$STORE/../sealed" ] && { echo 'Error making API request. * Vault is sealed' >&2; exit 2; }
[ -e "$STORE/../denied" ] && { echo 'Code: 403. Errors: * permission denied' >&2; exit 2; }
[ "$1" = kv ] || exit 1
case "$2 $3" in
    'list -mount=secret')
        [ "$(ls "$STORE/$5" 2> /dev/null)" ] || { echo "No value found at secret/metadata/$5" >&2; exit 2; }
        printf '[\\n'; ls "$STORE/$5" | sed 's/.*/  "&",/; $ s/,$//'; printf ']\\n' ;;
    'get -mount=secret')
        [ -e "$STORE/$5" ] || { echo "No value found at secret/data/$5" >&2; exit 2; }
        [ "$4" = -field=root ] && cat "$STORE/$5" ;;
    'put -mount=secret')
        [ "$4 $6" = '-cas=0 root=-' ] || exit 1
        [ -e "$STORE/$5" ] && { echo '* check-and-set parameter did not match' >&2; exit 2; }
        mkdir -p "$(dirname "$STORE/$5")"; cat > "$STORE/$5" ;;
    'metadata get') [ -e "$STORE/$5" ] || { echo "No value found at secret/metadata/$5" >&2; exit 2; } ;;
    'metadata delete') rm -f "$STORE/$5" ;;
    *) exit 1 ;;
esac
"""
CREDS = """\
#!/bin/sh
# Stands in for `systemd-creds`: seals by putting the name before the bytes, and opens only under that name.
case "$1" in
    encrypt) [ "$2 $4" = '--with-key=tpm2 -' ] || exit 1; { echo "${3#--name=}"; cat; } > "$5" ;;
    decrypt) [ "$(head -n 1 "$3")" = "${2#--name=}" ] || { echo 'wrong name' >&2; exit 1; }
        tail -n +2 "$3" ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what the stand-ins keep; they come first on the PATH."""
    programs, kept = tmp_path / "bin", tmp_path / "store"
    programs.mkdir()
    kept.mkdir()
    for name, text in (("vault", VAULT), ("systemd-creds", CREDS)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("STORE", str(kept))
    return kept


def holder(name: str, store: Path) -> CommandHolder:
    program = store.parent / name
    shutil.copy(EXAMPLES / name, program)
    program.chmod(0o700)
    place = {"vault-kv": ("secret", "luactl/root"), "tpm": (str(store / "slots"),)}[name]
    return CommandHolder((str(program), *place))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_sound_shell_script(name: str) -> None:
    assert os.access(EXAMPLES / name, os.X_OK)
    assert (EXAMPLES / name).read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", EXAMPLES / name], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_gives_and_forgets(name: str, store: Path) -> None:
    one = holder(name, store)
    assert one.medium().level is None
    assert one.epochs() == []
    one.put(TREE, 1, ROOT)
    one.put(TREE, 22, bytes(32))
    assert one.epochs() == [1, 22]
    assert one.get(TREE, 1) == ROOT
    with pytest.raises(FileExistsError):
        one.put(TREE, 1, bytes(32))
    assert one.get(TREE, 1) == ROOT
    assert one.destroy(1).state == "destroyed"
    assert one.epochs() == [22]
    with pytest.raises(FileNotFoundError):
        one.get(TREE, 1)
    assert one.destroy(1).state == "destroyed"
    assert one.get(TREE, 22) == bytes(32)


def test_the_root_is_in_no_argument_of_vault(store: Path) -> None:
    one = holder("vault-kv", store)
    one.put(TREE, 1, ROOT)
    one.get(TREE, 1)
    kept = next(file for file in store.rglob("1")).read_text()
    assert len(kept) == 344
    assert kept not in (store.parent / "arguments").read_text()


@pytest.mark.parametrize(("trouble", "exit"), [("sealed", Exit.BUSY), ("denied", Exit.REFUSED)])
def test_what_vault_says_reaches_whoever_asked(store: Path, trouble: str, exit: Exit) -> None:
    one = holder("vault-kv", store)
    one.put(TREE, 1, ROOT)
    (store.parent / trouble).touch()
    for ask in (one.epochs, lambda: one.get(TREE, 1), lambda: one.destroy(1), lambda: one.put(TREE, 2, ROOT)):
        with pytest.raises(HolderError, match="sealed" if trouble == "sealed" else "denied") as caught:
            ask()
        assert caught.value.exit is exit
    (store.parent / trouble).unlink()
    assert one.get(TREE, 1) == ROOT


def test_a_sealed_slot_opens_under_its_own_name_only(store: Path) -> None:
    one = holder("tpm", store)
    one.prepare()
    one.put(TREE, 1, ROOT)
    (store / "slots" / "1").rename(store / "slots" / "2")
    with pytest.raises(HolderError, match="failed with exit code 1 when asked to get: wrong name"):
        one.get(TREE, 2)
