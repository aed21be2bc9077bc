"""The Textual face: one file or folder a noun."""
