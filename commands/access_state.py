"""`luactl access drift`, `luactl access reconcile`: access as it should be, beside access as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .context import session
from .diagnostics import confirm, progress
from .options import DryRun, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.access.state import Reconciled, State
    from luactl.errors import Exit

COLUMNS = (
    ("kind", "KIND"),
    ("login", "LOGIN"),
    ("person", "PERSON"),
    ("object", "OBJECT"),
    ("what", "WHAT"),
    ("grantor", "GRANTED BY"),
    ("by", "UNDONE BY"),
    ("undo", "UNDO"),
)
STEPS = (("outcome", "OUTCOME"), *((f"finding.{field}", title) for field, title in COLUMNS if field != "by"))
HOUSE = "access.toml"
StateFile = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FILE",
        help=f"The house's desired state; default: {HOUSE} beside config.toml, if it is there.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--login", metavar="LOGIN", help="Only what is about this login; may be repeated."),
]


def drift(state: StateFile = None, login: Only = None) -> None:
    """Show what is granted behind luactl's back, or no longer right, and what would undo it (exit 6).

    Direct grants, rights of group roles, policies, memberships that others granted, logins of nobody,
    attributes, ownership, default privileges, rights of PUBLIC, settings given for good, grants to who is
    not bound to confidentiality.

    Examples:
        luactl access drift
        luactl access drift --login anna
        luactl access drift --state access.toml -o json
    """
    from luactl.access import state as noun
    from luactl.errors import Exit

    wanted = _state(state)
    with session("access drift") as s:
        found = noun.drift(s, wanted, login or ())
    show(found, COLUMNS, outcome=Exit.FINDINGS if found else Exit.DONE)


def reconcile(state: StateFile = None, login: Only = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Undo what luactl may of the drift, one by one and on record; print what only a superuser undoes.

    The catalog is read again afterwards: what it still shows is left (exit 6). It can be cut short and
    run again.

    Examples:
        luactl access reconcile --dry-run
        luactl access reconcile --login anna --yes
    """
    from luactl.access import state as noun

    wanted = _state(state)
    with session("access reconcile") as s:
        plan = noun.reconcile(s, wanted, login or (), dry_run=True)
        if dry_run:
            show_plan(plan.steps, STEPS, _statements(plan), outcome=_outcome(plan))
            return
        done = plan
        if plan.done:
            confirm(f"Undo {len(plan.done)} things?", yes=yes, name=s.profile.name)
            with progress("undone", len(plan.done)) as advance:
                done = noun.reconcile(s, wanted, login or (), progress=advance)
    show(done.steps, STEPS, _statements(done), outcome=_outcome(done))


def _outcome(result: Reconciled) -> Exit:
    from luactl.errors import Exit

    return Exit.FINDINGS if result.left else Exit.DONE


def _statements(result: Reconciled) -> list[str]:
    """Return what a superuser runs, in its order, each once."""
    left = [step.finding.undo for step in result.left if step.finding.by == "superuser"]
    return ["a superuser runs:", *(f"    {one};" for one in dict.fromkeys(left))] if left else []


def _state(file: Path | None) -> State:
    from luactl.access.state import load_state
    from luactl.config import find_paths

    if file is None:
        house = find_paths().config / HOUSE
        file = house if house.is_file() else None
    return load_state(file)
