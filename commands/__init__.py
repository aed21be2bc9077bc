"""The Typer face: one file a noun."""
