"""A bare Textual app that asks for all tenants and shows how many there are. The DSN comes in BARE_DSN."""

import os

import psycopg
from textual.app import App, ComposeResult
from textual.widgets import Static


class Bare(App[None]):
    """One query, one text."""

    def compose(self) -> ComposeResult:
        """Lay out the text."""
        yield Static()

    def on_mount(self) -> None:
        """Ask in a thread, as an app must that stays usable."""
        self.run_worker(self.ask, thread=True)

    def ask(self) -> None:
        """Count the tenants."""
        with psycopg.connect(os.environ["BARE_DSN"], autocommit=True) as conn:
            rows = conn.execute(
                "SELECT tenant_id, slug, name, country, contact, isolation, status, reason, created_at,"
                " updated_at FROM lua.tenants()"
            ).fetchall()
        self.call_from_thread(self.query_one(Static).update, f"{len(rows)} tenants")


Bare().run(mouse=False)
