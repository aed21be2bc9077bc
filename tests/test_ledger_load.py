"""The integrator while others append: nothing waits for it, nothing is lost, and the lag is seen and goes."""

from __future__ import annotations

import threading
from dataclasses import replace

import support_ledger
from support_ledger import Actor, problems, write

from luactl import ledger
from luactl.db import Session

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login
BATCHES, EACH = 40, 25


def test_two_append_while_the_integrator_runs(actor: Actor, admin_login: Session) -> None:
    writers = [actor("lua_operator"), actor("lua_app")]
    integrator, watcher = actor("lua_admin"), actor("lua_auditor")
    failed: list[BaseException] = []
    done = threading.Event()

    def append(session: Session) -> None:
        try:
            for _batch in range(BATCHES):
                write(session, *["a"] * EACH)
        except BaseException as error:
            failed.append(error)

    def integrate() -> None:
        try:
            while not done.is_set():
                ledger.integrate(integrator, batch=70)
        except BaseException as error:
            failed.append(error)

    crew = [threading.Thread(target=append, args=(one,)) for one in writers]
    job = threading.Thread(target=integrate)
    for one in (*crew, job):
        one.start()
    seen = []
    while any(one.is_alive() for one in crew):
        state = ledger.status(watcher)
        seen.append((state.size, state.pending))
        assert (state.lag_seconds > 0) <= (state.pending > 0)
    for one in crew:
        one.join()
    done.set()
    job.join()
    assert failed == []
    assert [size for size, _pending in seen] == sorted(size for size, _pending in seen)
    write(admin_login, "last")
    assert ledger.status(admin_login).pending >= 1
    ledger.integrate(admin_login)
    state = ledger.status(admin_login)
    assert (state.size, state.pending, state.lag_seconds) == (2 * BATCHES * EACH + 2, 0, 0)
    assert problems(replace(admin_login)) == []
