"""The acts that are struck: each command that drops keys, or finishes what was cut short."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from attack.attack import Place
from conftest import new_login
from support_staff import on_record

from .scene import Scene, T, run

PERSONAL = ("crm.subject", "crm.contact", "crm.interaction")
DUE = (2016, 2020)
"""The years whose invoices and interactions have outlived their rules."""
QUERY = "interaction kind=call until=2020-12-31"


@dataclass(frozen=True)
class Act:
    """One command, and what it takes from whom."""

    name: str
    args: Callable[[Scene], tuple[str, ...]]
    goes: Callable[[Scene, Place], bool] = lambda scene, place: False
    """Whether a value of the beginning is gone for good when all is done."""
    prepare: Callable[[Scene], None] = lambda scene: None
    stdin: bytes = b""
    changes: Callable[[Scene, Place], bool] = lambda scene, place: False
    """Whether a value of the beginning is replaced by another."""
    entry: str = ""
    """The action in the ledger whose intents must all have an outcome in the end."""
    record: str = ""
    """Where it is on record how far it came: a table whose rows have a state."""
    again: tuple[int, ...] = (0,)
    """How a second run may end."""


def _erase(scene: Scene) -> tuple[str, ...]:
    return ("erasure", "run", *T, "--subject", scene.people["1"], "--instruction", "ticket", "--yes")


def _erased(scene: Scene, place: Place) -> bool:
    return place.subject_id == scene.people["1"] and place.table in PERSONAL


def _purge(scene: Scene) -> tuple[str, ...]:
    return ("retention", "purge", "--all", "--yes")


def _due(scene: Scene, place: Place) -> bool:
    return scene.years.get(place.row_id) in DUE


def _hold(scene: Scene) -> None:
    run("hold", "place", *T, "--query", QUERY, "--reference", "7 O 1/26", "--yes")


def _not_held(scene: Scene, place: Place) -> bool:
    held = place.subject_id == scene.people["2"] and place.table == "crm.interaction"
    return _due(scene, place) and not held


def _release(scene: Scene) -> None:
    _hold(scene)
    run(*_purge(scene))
    [held] = run("hold", "list", *T)
    run("hold", "release", held["hold_id"], "--reason", "settled", "--yes")


def _announce(scene: Scene) -> None:
    run("approval", "rule", "set", "tenant.terminate", "--approvals", "0", "--yes")
    run("tenant", "terminate", "smile", "--instruction", "letter", "--grace", "0", "--yes")


def _end(scene: Scene) -> tuple[str, ...]:
    return ("tenant", "terminate", "smile", "--not-wanted", "they said so", "--yes")


def _ended(scene: Scene, place: Place) -> bool:
    return place.tenant_id == scene.tenants["smile"]


def _rectify(scene: Scene) -> tuple[str, ...]:
    field = ("--field", "email", "--instruction", "ticket", "--yes")
    return ("subject", "rectify", scene.people["2"], *T, *field)


def _corrected(scene: Scene, place: Place) -> bool:
    return place.subject_id == scene.people["2"] and place.table == "crm.contact"


def _release_keys(scene: Scene) -> None:
    public = scene.home.path / "person.pub"
    public.write_text(run("key", "person", "init")["public_key"])
    nora = new_login(scene.server, scene.home.path / "nora", ("lua_operator",))
    with closing(scene.server.admin(scene.database)) as admin:
        on_record(admin, nora)
    order = ("--to", nora, "--public-key", str(public), "--for", "8h", "--purpose", "support", "--yes")
    scene.release = run("key", "release", "add", *T, *order)["release_id"]


def _half_erased(scene: Scene) -> None:
    scene.striker.meet(*_erase(scene), where="epoch committed", nth=1, torn=False, act=_kill)


def _kill(pid: int) -> bool:
    os.kill(pid, signal.SIGKILL)
    return False


LINE = b'{"at": "2026-03-01T12:00:00Z", "actor": "crm", "action": "contact.read", "message": "hello"}\n'


def _bring(scene: Scene) -> None:
    """Bring in a log of the CRM."""
    file = scene.home.path / "crm.log"
    file.write_bytes(LINE * 3)
    run("log", "source", "add", "crm", "--format", "jsonl", "--path", str(file), "--host", "here", "--yes")
    run("log", "ingest", "crm", "--yes")


def _collect(scene: Scene) -> tuple[str, ...]:
    asked = ("--since", "2026-03-01", "action:contact.read,tenant.create")
    return ("log", "export", *asked, "--case", "INC-7", "--purpose", "breach", "--to", scene.box, "--yes")


def _collected(scene: Scene) -> None:
    _bring(scene)
    run(*_collect(scene))


def _hand_on(scene: Scene) -> tuple[str, ...]:
    return ("log", "custody", "add", scene.box, "--action", "stored", "--by", "Ida Falk", "--yes")


ACTS = {
    act.name: act
    for act in (
        Act("erase", _erase, _erased, entry="erasure.run", record="lua.erasure"),
        Act("purge", _purge, _due, entry="retention.purge"),
        Act("move", _purge, _not_held, _hold, entry="retention.purge"),
        Act("unhold", _purge, _due, _release, entry="retention.purge"),
        Act("end", _end, _ended, _announce, entry="tenant.terminate", record="lua.termination"),
        Act("rectify", _rectify, stdin=b"new@loja.example\n", changes=_corrected),
        Act("rotate", lambda scene: ("key", "rotate", "--yes")),
        Act(
            "revoke",
            lambda scene: ("key", "release", "revoke", scene.release, "--yes"),
            prepare=_release_keys,
            again=(0, 5),
        ),
        Act("collect", _collect, prepare=_bring, again=(0, 5)),
        Act("hand on", _hand_on, prepare=_collected),
        Act("recover", lambda scene: ("key", "recover", "--yes"), _erased, _half_erased),
    )
}
