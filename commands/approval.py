"""`luactl approval`: what needs a second pair of eyes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Limit, Yes, identifier
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.approval import Approval

app = group("Four eyes: requests for approval, and the answers that others sign.")
key = group("Approvers' keys: make your own; register and revoke public ones.")
rule = group("Which action needs how many approvals, by whom.")
app.add_typer(key, name="key")
app.add_typer(rule, name="rule")

REQUESTS = (
    ("approval_id", "REQUEST"),
    ("action", "ACTION"),
    ("state", "STATE"),
    ("requested_by", "BY"),
    ("expires_at", "EXPIRES"),
    ("request.summary", "WHAT"),
)
ONE = (
    *REQUESTS,
    ("needed", "NEEDED"),
    ("roles", "APPROVERS"),
    ("approved_by", "APPROVED BY"),
    ("request.counts", "COUNTS"),
    ("request.exact", "EXACT"),
    ("void_reason", "VOID"),
)
OFFLINE = (
    ("id", "REQUEST"),
    ("action", "ACTION"),
    ("tenant", "TENANT"),
    ("requested_by", "BY"),
    ("requested_at", "REQUESTED"),
    ("expires_at", "EXPIRES"),
    ("summary", "WHAT"),
    ("counts", "COUNTS"),
)
KEYS = (("person", "PERSON"), ("logins", "LOGINS"), ("vkey", "KEY"), ("revoked_at", "REVOKED"))
RULES = (
    ("action", "ACTION"),
    ("approvals", "APPROVALS"),
    ("from_subjects", "FROM PEOPLE"),
    ("roles", "APPROVERS"),
    ("valid_hours", "HOURS"),
    ("drift_rows", "DRIFT ROWS"),
    ("drift_percent", "DRIFT %"),
    ("set_by", "SET BY"),
)
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the request.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Your secret key, if not approver.key.", show_default=False),
]


def _key_file(file: Path | None) -> Path:
    """Return where the secret key of this account is."""
    from luactl.config import find_paths

    return file or find_paths().approver_key


@app.command("list")
def list_(
    open_: Annotated[bool, typer.Option("--open", help="Only those that are neither used nor void.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only those that wait for your answer.")] = False,
    limit: Limit = 0,
) -> None:
    """List requests for approval, newest first.

    Examples:
        luactl approval list --open
        luactl approval list --mine
    """
    from luactl import approval

    with session("approval list") as s:
        found = approval.list_(s, open_only=open_ or mine, limit=limit + 1 if limit and not mine else 0)
        found = approval.mine(s, found) if mine else found
    cut = bool(limit) and len(found) > limit
    notes = [f"more than {limit} requests; `--limit 0` shows all"] if cut else []
    show(found[:limit] if cut else found, REQUESTS, notes)


@app.command("show")
def show_(approval_id: Id) -> None:
    """Show one request: what would happen, who asks, who answered, and whether their signatures are good.

    Examples:
        luactl approval show ID
    """
    from luactl import approval

    with session("approval show") as s:
        found = approval.find(s, identifier(approval_id, "request", "approval list"))
    show(found, ONE, _notes(found))


def _notes(found: Approval) -> list[str]:
    return [
        f"{one.person} {'granted' if one.granted else 'denied'} it on {one.recorded_at:%Y-%m-%d}, "
        + ("signed" if one.valid else "BUT THE SIGNATURE IS NOT GOOD")
        for one in found.answers
    ]


@app.command("grant")
def grant(approval_id: Id, key_file: KeyFile = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Approve somebody else's request, signed with your own key. Nobody approves their own.

    Examples:
        luactl approval grant ID
    """
    _answer("approval grant", approval_id, key_file, granted=True, dry_run=dry_run, yes=yes)


@app.command("deny")
def deny(approval_id: Id, key_file: KeyFile = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Deny somebody else's request, signed with your own key: it cannot be used any more.

    Examples:
        luactl approval deny ID
    """
    _answer("approval deny", approval_id, key_file, granted=False, dry_run=dry_run, yes=yes)


def _answer(
    command: str, approval_id: str, key_file: Path | None, *, granted: bool, dry_run: bool, yes: bool
) -> None:
    from luactl import approval

    wanted = identifier(approval_id, "request", "approval list")
    signer = approval.load(_key_file(key_file))
    with session(command) as s:
        asked = approval.find(s, wanted)
        plan = approval.answer(s, wanted, signer, granted=granted, dry_run=True)
        if dry_run:
            show_plan(plan, ONE)
            return
        verb = "Grant" if granted else "Deny"
        confirm(f"{asked.request.summary}, asked by {asked.requested_by}. {verb} it?", yes=yes)
        done = approval.answer(s, wanted, signer, granted=granted)
    show(done, ONE, _notes(done))


@app.command("export")
def export(
    approval_id: Id,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write a request to a file that an outside approver signs on a machine of their own.

    Examples:
        luactl approval export ID request.json
    """
    from luactl import approval

    wanted = identifier(approval_id, "request", "approval list")
    with session("approval export") as s:
        if dry_run:
            show_plan(approval.find(s, wanted), ONE)
            return
        found = approval.export(s, wanted, file)
    show(found, ONE, [f"`luactl approval sign {file}` signs it, without a database"])


@app.command("sign")
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported request.")],
    key_file: KeyFile = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A new file, if not FILE.signed.", show_default=False),
    ] = None,
    deny_: Annotated[bool, typer.Option("--deny", help="Deny it.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Sign an exported request with your own key. Needs no database, no profile, no network.

    Examples:
        luactl approval sign request.json
    """
    from luactl import approval

    request = approval.read_request(file)
    if dry_run:
        show_plan(request, OFFLINE)
        return
    verb = "Deny" if deny_ else "Grant"
    confirm(f"{request.summary}, asked by {request.requested_by}. {verb} it?", yes=yes)
    to = out or file.with_name(file.name + ".signed")
    approval.sign_file(file, approval.load(_key_file(key_file)), to, granted=not deny_)
    show(request, OFFLINE, [f"signed: send back {to}; `luactl approval import` takes it"])


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A signed answer.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Record an answer that was signed elsewhere, if the signature is of a registered key.

    Examples:
        luactl approval import request.json.signed
    """
    from luactl import approval

    with session("approval import") as s:
        done = approval.import_(s, file, dry_run=dry_run)
    if dry_run:
        show_plan(done, ONE)
    else:
        show(done, ONE, _notes(done))


@key.command("init")
def key_init(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Shown wherever it signs.")],
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Where, if not approver.key.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make your own key: the secret half stays in a file of yours, the public half is printed.

    Examples:
        luactl approval key init --name anna.berg
    """
    from luactl import approval

    place = _key_file(file)
    if dry_run:
        show_plan({"file": str(place), "name": name})
        return
    made = approval.make(place, name)
    show(
        made, None, ["an administrator or the data protection officer runs `luactl approval key add` with it"]
    )


@key.command("add")
def key_add(
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="The public key, as `key init` printed it.")],
    person: Annotated[str, typer.Option("--person", metavar="NAME", help="Whose it is.")],
    login: Annotated[
        list[str] | None,
        typer.Option("--login", metavar="LOGIN", help="Each login of that person.", show_default=False),
    ] = None,
    outside: Annotated[bool, typer.Option("--outside", help="An approver without a login.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Register an approver's public key. Compare it with what the person reads out to you.

    Examples:
        luactl approval key add VKEY --person 'Anna Berg' --login anna --login anna_ops
        luactl approval key add VKEY --person 'Kanzlei Hell' --outside
    """
    from luactl import approval

    if bool(login) == outside:
        raise UsageError("give every --login of the person, or --outside for who has none")
    with session("approval key add") as s:
        added = approval.register(s, vkey, person, login or (), dry_run=dry_run)
    if dry_run:
        show_plan(added, KEYS)
    else:
        show(added, KEYS)


@key.command("list")
def key_list() -> None:
    """List the registered public keys, revoked ones included.

    Examples:
        luactl approval key list
    """
    from luactl import approval

    with session("approval key list") as s:
        show(approval.keys(s), KEYS)


@key.command("revoke")
def key_revoke(
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="The public key.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Revoke a key: it answers nothing any more. What it signed before stays what it was.

    Examples:
        luactl approval key revoke VKEY
    """
    from luactl import approval

    with session("approval key revoke") as s:
        plan = approval.revoke(s, vkey, dry_run=True)
        if dry_run:
            show_plan(plan, KEYS)
            return
        confirm(f"Revoke the key of {plan.person}?", yes=yes)
        show(approval.revoke(s, vkey), KEYS)


@rule.command("list")
def rule_list() -> None:
    """List which action needs how many approvals, by whom.

    Examples:
        luactl approval rule list
    """
    from luactl import approval

    with session("approval rule list") as s:
        show(approval.rules(s), RULES)


@rule.command("set")
def rule_set(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Such as erasure.run.")],
    approvals: Annotated[
        int | None, typer.Option("--approvals", min=0, max=9, metavar="N", help="How many; 0: none.")
    ] = None,
    from_subjects: Annotated[
        int | None, typer.Option("--from-people", min=0, metavar="N", help="Fewer people need none.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="Who may approve; repeatable.", show_default=False),
    ] = None,
    hours: Annotated[
        int | None, typer.Option("--hours", min=1, max=8760, metavar="N", help="How long a request holds.")
    ] = None,
    drift_rows: Annotated[
        int | None, typer.Option("--drift-rows", min=0, metavar="N", help="How far counts may drift.")
    ] = None,
    drift_percent: Annotated[
        int | None, typer.Option("--drift-percent", min=0, max=100, metavar="N", help="The same in percent.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Set what an action needs. Only the data protection officer may; requests that are out keep their rule.

    Examples:
        luactl approval rule set erasure.run --approvals 2 --from-people 1
        luactl approval rule set retention.purge --approvals 1 --role lua_dpo --role outside
    """
    from luactl import approval

    changes = {
        "approvals": approvals,
        "from_subjects": from_subjects,
        "roles": role,
        "valid_hours": hours,
        "drift_rows": drift_rows,
        "drift_percent": drift_percent,
    }
    with session("approval rule set") as s:
        plan = approval.set_rule(s, action, **changes, dry_run=True)  # type: ignore[arg-type]
        if dry_run:
            show_plan(plan)
            return
        if plan.after.approvals < plan.before.approvals:
            confirm(
                f"Lower {action} from {plan.before.approvals} to {plan.after.approvals} approvals?", yes=yes
            )
        show(approval.set_rule(s, action, **changes))  # type: ignore[arg-type]
