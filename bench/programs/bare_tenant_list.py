"""A Typer program that lists the tenants over psycopg as luactl does, and does nothing else.

The libpq connection string comes in BENCH_DSN.
"""

from __future__ import annotations

import os

import psycopg
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
TENANTS = "SELECT slug, name, country, status, isolation, contact, created_at FROM lua.tenants()"


@app.command("list")
def list_() -> None:
    """List the tenants."""
    with psycopg.connect(os.environ["BENCH_DSN"]) as conn:
        rows = conn.execute(TENANTS).fetchall()
    print("SLUG", "NAME", "COUNTRY", "STATUS", "ISOLATION", "CONTACT", "CREATED", sep="\t")
    for *texts, created in rows:
        print(*texts, created.isoformat().replace("+00:00", "Z"), sep="\t")


if __name__ == "__main__":
    app()
