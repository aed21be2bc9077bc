"""Log lines come in: read, understood, masked, sealed and stored, each once (docs/design/log.md)."""
