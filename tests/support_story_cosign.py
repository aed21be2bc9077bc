"""The part of the story that another host plays: it cosigns what the ledger signed."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from support_story import Case, Rule, World

from luactl import ledger
from luactl.config import find_paths
from luactl.connect import open_session
from luactl.ledger.cosign import new_key, sign_files


def cosign(w: World) -> None:
    """Have a second host cosign what is signed, and name it in the profile."""
    key, config = w.folder / "cosign.key", find_paths().config_file
    vkey = str(new_key(key, "auditor.example/1"))
    with open_session(command="test") as s:
        found, log = ledger.newest_checkpoint(s, 0), ledger.status(s).vkey
    sign_files(Path(w.file("request", found.text())), key, log, None, w.folder / "cosigned")
    document = tomlkit.parse(config.read_text())
    for profile in document["profile"].values():
        profile["cosigners"] = [vkey]
    config.write_text(tomlkit.dumps(document))


COSIGNED = {
    "ledger cosign add": (
        Case(
            lambda w: (str(w.folder / "cosigned"),),
            (Rule("", "files", "ledger.cosign"),),
            prepare=cosign,
            empty=True,
        ),
    ),
}
